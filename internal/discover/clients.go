package discover

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// otherClients are files from which other clients than docker take logins, with what their
// users have to know. docker of the snap reads a file of its own.
var otherClients = []struct{ path, text string }{
	{"/snap/docker/current/.docker/config.json", "docker of the snap reads it, and runs no credential helper: it takes a docker-config target with this path, the user and delivery: auths"},
	{"/.config/helm/registry/config.json", "helm reads it before docker's: a login of ECR in it goes stale"},
	{"/.regctl/config.json", "regctl reads it after docker's, and a login in it counts more: one of ECR goes stale"},
	{"/.config/containers/auth.json", "podman, buildah and skopeo read it before docker's, and a login of ECR in it goes stale: a containers-auth target with this user keeps it fresh"},
}

// clients notes what else an account pulls with, and a config.json that it cannot read.
func (t *tree) clients() {
	for _, c := range otherClients {
		if _, err := t.root.Stat(filepath.Join(".", c.path)); err == nil {
			t.others = append(t.others, Finding{t.shown(c.path), c.text})
		}
	}
	socket := fmt.Sprintf("/run/user/%d/docker.sock", t.owner.UID)
	if t.owner.UID != 0 && t.there(socket) {
		t.others = append(t.others, Finding{"unix://" + socket, "a rootless engine of " + t.owner.Name + ": an engine target with this host checks logins there"})
	}
	info, err := t.root.Stat(filepath.Join(".", configFile))
	if errors.Is(err, fs.ErrPermission) || err == nil && uidOf(info) != t.owner.UID && info.Mode()&0o004 == 0 {
		t.locked = append(t.locked, t.owner.Name)
	}
}

// unlock are the steps for accounts that cannot read their own docker configuration.
func (h *host) unlock() (steps []Step) {
	for _, name := range h.locked {
		steps = append(steps, Step{fmt.Sprintf("%s cannot read ~%s%s, which is somebody else's, as after `sudo docker login`: docker then pulls without a login.", name, name, configFile),
			[]string{fmt.Sprintf("sudo chown -R %s: ~%s/.docker", name, name)}})
	}
	return steps
}
