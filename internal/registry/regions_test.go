package registry

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The table is what the AWS SDK of go.mod knows, and each region is in the
// partition where the SDK has it.
func TestRegionsAreThoseOfTheSDK(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2").Output()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "internal/endpoints/awsrulesfn/partitions.json"))
	if err != nil {
		t.Fatal(err)
	}
	var sdk struct {
		Partitions []struct {
			ID      string              `json:"id"`
			Regions map[string]struct{} `json:"regions"`
		} `json:"partitions"`
	}
	if err := json.Unmarshal(data, &sdk); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, p := range sdk.Partitions {
		for region := range p.Regions {
			if strings.HasSuffix(region, "-global") { // of services without regions
				continue
			}
			want = append(want, region)
			if got, err := Partition(region); err != nil || got != p.ID {
				t.Errorf("Partition(%q) = %q, %v; the SDK has it in %q", region, got, err, p.ID)
			}
		}
	}
	slices.Sort(want)
	if got := Regions(); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
