package clientview

import (
	"fmt"
	"slices"
	"testing"
)

// helm pulls a chart from a registry that notes the login it is sent. It asks without one
// first, and looks for one when it has to; where it then gives up, no more is sent.
func TestHelmAgrees(t *testing.T) {
	helm := need(t, "helm")
	registry := newRegistry(t)
	for i, r := range slices.Concat(rows, helmRows) {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s := site{registry.host, t.TempDir()}
			r.lay(t, s)
			a := r.eye(s).Look(Helm, s.host)
			repository := fmt.Sprintf("row-%d", i)
			_, _, err := run(t, "", t.TempDir(), r.environ(s, "SSL_CERT_FILE="+registry.ca), helm, "pull", "oci://"+s.host+"/"+repository, "--version", "0.1.0")
			if err == nil {
				t.Fatal("there is such a chart")
			}
			got := registry.login(repository)
			want := r.expectedOf(Helm, a)
			for i, w := range want {
				if !got.Failed && (w.Failed || w.Password == "") {
					want[i] = sent{}
				}
			}
			r.agree(t, "helm", a, want, got)
		})
	}
}
