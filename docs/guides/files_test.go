package guides

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/credhelper"
	"ecr-refreshd/internal/targets"
)

// helper is what config.json calls the credential helper.
const helper = "ecr-refreshd"

// example is the path of a file in deploy/examples.
func example(name string) string { return filepath.Join(examples, filepath.FromSlash(name)) }

// decode reads all documents of a YAML file.
func decode[T any](t *testing.T, path string) []T {
	t.Helper()
	var all []T
	for d := yaml.NewDecoder(strings.NewReader(text(t, path))); ; {
		var one T
		err := d.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return all
		}
		all = append(all, one)
	}
}

func TestFilesAreWellFormed(t *testing.T) {
	for _, path := range files(t) {
		switch filepath.Ext(path) {
		case ".yaml", ".yml":
			if len(decode[any](t, path)) == 0 {
				t.Errorf("%s is empty", path)
			}
		case ".json":
			if !json.Valid([]byte(text(t, path))) {
				t.Errorf("%s is not JSON", path)
			}
		}
	}
}

// object is one of Kubernetes, by what is looked at here.
type object struct {
	Kind     string
	Metadata struct{ Name, Namespace string }
	Data     map[string]string
	Spec     struct {
		Selector struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		}
		Template struct {
			Metadata struct{ Labels map[string]string }
			Spec     podSpec
		}
		podSpec `yaml:",inline"`
	}
}

type podSpec struct {
	ServiceAccountName string `yaml:"serviceAccountName"`
	Containers         []struct {
		SecurityContext struct {
			RunAsGroup string `yaml:"runAsGroup"`
		} `yaml:"securityContext"`
		VolumeMounts []struct {
			Name      string
			MountPath string `yaml:"mountPath"`
			SubPath   string `yaml:"subPath"`
		} `yaml:"volumeMounts"`
	}
	Volumes []struct {
		Name      string
		ConfigMap struct{ Name string } `yaml:"configMap"`
		HostPath  struct{ Path string } `yaml:"hostPath"`
	}
}

// configurations are all configurations of ecr-refreshd in the examples, by where
// they are.
func configurations(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, path := range files(t) {
		if filepath.Base(path) == "ecr-refreshd.yaml" {
			all[path] = text(t, path)
		}
	}
	const defaults = "ansible/roles/ecr_refreshd/defaults/main.yml"
	for _, d := range decode[map[string]any](t, example(defaults)) {
		content, err := yaml.Marshal(d["ecr_refreshd_config"])
		if err != nil {
			t.Fatal(err)
		}
		all[defaults] = string(content)
	}
	for _, o := range decode[object](t, example("kubernetes/daemonset.yaml")) {
		if o.Kind == "ConfigMap" {
			all["kubernetes"] = o.Data["config.yaml"]
		}
	}
	type userData struct {
		WriteFiles []struct{ Path, Content, Permissions string } `yaml:"write_files"`
	}
	for _, u := range decode[userData](t, example("cloud-init/user-data.yaml")) {
		for _, f := range u.WriteFiles {
			if f.Path == "/etc/ecr-refreshd/config.yaml" && f.Permissions == "0644" {
				all["cloud-init"] = f.Content
			}
		}
	}
	return all
}

func TestConfigurationsAreAccepted(t *testing.T) {
	all := configurations(t)
	for _, want := range []string{example("base/ecr-refreshd.yaml"), "kubernetes", "cloud-init", "ansible/roles/ecr_refreshd/defaults/main.yml"} {
		if all[want] == "" {
			t.Errorf("no configuration found in %s", want)
		}
	}
	for where, content := range all {
		if _, err := config.Parse(where, []byte(content), targets.Kinds); err != nil {
			t.Errorf("%s: %v", where, err)
		}
	}
}

// TestConfigJSONNamesTheHelper for the hosts that the common part's daemon has logins
// of, and the variable of the GitLab runner says the same.
func TestConfigJSONNamesTheHelper(t *testing.T) {
	c, err := config.Parse("base", []byte(text(t, example("base/ecr-refreshd.yaml"))), targets.Kinds)
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string]string)
	for _, g := range c.Grants {
		for _, h := range g.Hosts {
			want[h.Name] = helper
		}
	}
	quoted := regexp.MustCompile(`"DOCKER_AUTH_CONFIG=.*"`).FindString(text(t, example("gitlab-runner/config.toml")))
	variable, err := strconv.Unquote(quoted) // TOML's basic strings are Go's, in this much
	if err != nil {
		t.Fatalf("%s: %v", quoted, err)
	}
	for where, content := range map[string]string{
		"config.json":   text(t, example("base/config.json")),
		"gitlab-runner": strings.TrimPrefix(variable, "DOCKER_AUTH_CONFIG="),
	} {
		var file struct{ CredHelpers map[string]string }
		if err := json.Unmarshal([]byte(content), &file); err != nil {
			t.Errorf("%s: %v", where, err)
		}
		if !maps.Equal(file.CredHelpers, want) {
			t.Errorf("%s: got %v, want %v", where, file.CredHelpers, want)
		}
	}
}

// mount is one of a compose file, in its long form.
type mount struct{ Type, Source, Target string }

// UnmarshalYAML takes the short form for nothing.
func (m *mount) UnmarshalYAML(n *yaml.Node) error {
	type long mount
	if n.Kind != yaml.MappingNode {
		return nil
	}
	return n.Decode((*long)(m))
}

func TestContainersGetTheHelperAndItsSocket(t *testing.T) {
	directory := filepath.Dir(credhelper.Sockets(func(string) string { return "" }, 0)[0])
	const program = "/docker-credential-" + helper
	for name, service := range map[string]string{"jenkins-container": "agent", "docker-in-docker": "client"} {
		var have []mount
		for _, f := range decode[struct {
			Services map[string]struct{ Volumes []mount }
		}](t, example(name+"/compose.yaml")) {
			have = f.Services[service].Volumes
		}
		for _, want := range []mount{{"bind", directory, directory}, {"bind", "/usr/bin" + program, "/usr/local/bin" + program}} {
			if !slices.Contains(have, want) {
				t.Errorf("%s: %+v is not among %+v", name, want, have)
			}
		}
	}
}

func TestWatchtowerMountsWhereTheDaemonWrites(t *testing.T) {
	c, err := config.Parse("watchtower", []byte(text(t, example("watchtower/ecr-refreshd.yaml"))), targets.Kinds)
	if err != nil {
		t.Fatal(err)
	}
	var written []string
	for _, target := range c.Targets {
		if target.Type == "docker-config" {
			written = append(written, filepath.Dir(target.Options.Place()))
		}
	}
	compose := text(t, example("watchtower/compose.yaml"))
	if len(written) != 1 || !strings.Contains(compose, "source: "+written[0]+", target: /docker-config,") ||
		!strings.Contains(compose, "DOCKER_CONFIG: /docker-config\n") {
		t.Errorf("the daemon writes in %q, which is not what is mounted", written)
	}
}

func TestKubernetesObjectsFitTogether(t *testing.T) {
	named := make(map[string]bool)
	var onHost []string
	var group string
	for _, o := range decode[object](t, example("kubernetes/daemonset.yaml")) {
		named[o.Kind+" "+o.Metadata.Name] = true
		if o.Kind != "DaemonSet" {
			continue
		}
		pod := o.Spec.Template.Spec
		onHost, group = mounted(t, pod), pod.Containers[0].SecurityContext.RunAsGroup
		if !maps.Equal(o.Spec.Selector.MatchLabels, o.Spec.Template.Metadata.Labels) {
			t.Error("the selector is not the pod's labels")
		}
		for _, v := range pod.Volumes {
			if v.ConfigMap.Name != "" && !named["ConfigMap "+v.ConfigMap.Name] {
				t.Errorf("there is no ConfigMap %q", v.ConfigMap.Name)
			}
		}
		if !named["ServiceAccount "+pod.ServiceAccountName] || !named["Namespace "+o.Metadata.Namespace] {
			t.Errorf("there is no ServiceAccount %q or Namespace %q", pod.ServiceAccountName, o.Metadata.Namespace)
		}
		if m := pod.Containers[0].VolumeMounts[0]; m.MountPath != "/etc/ecr-refreshd/"+m.SubPath {
			t.Errorf("the configuration is mounted as %+v", m)
		}
	}
	c, err := config.Parse("kubernetes", []byte(configurations(t)["kubernetes"]), targets.Kinds)
	if err != nil {
		t.Fatal(err)
	}
	// Without capabilities, the daemon can give the socket to no other group.
	if c.Socket.Group != group {
		t.Errorf("the socket's group is %q, the daemon's %q", c.Socket.Group, group)
	}
	written := filepath.Dir(c.Targets[0].Options.Place())
	for _, o := range decode[object](t, example("kubernetes/build-pod.yaml")) {
		if got := mounted(t, o.Spec.podSpec); !slices.Equal(got, []string{written}) || !slices.Contains(onHost, written) {
			t.Errorf("the pod mounts %q of the host, the daemon writes %q and has %q", got, written, onHost)
		}
	}
}

// mounted gives the host's directories of a pod and checks that every mount has
// its volume.
func mounted(t *testing.T, pod podSpec) []string {
	t.Helper()
	volumes, onHost := make(map[string]bool), []string(nil)
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
		if v.HostPath.Path != "" {
			onHost = append(onHost, v.HostPath.Path)
		}
	}
	for _, c := range pod.Containers {
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				t.Errorf("there is no volume %q", m.Name)
			}
		}
	}
	return onHost
}

// What cloud-init runs is one script, which goes on after an error unless told otherwise.
func TestFirstBootEndsAtTheFirstError(t *testing.T) {
	type userData struct{ Runcmd []any }
	for _, u := range decode[userData](t, example("cloud-init/user-data.yaml")) {
		if len(u.Runcmd) < 2 || u.Runcmd[0] != "set -e" {
			t.Errorf("runcmd is %q; want \"set -e\" first", u.Runcmd)
		}
	}
}

// A configuration that is wrong must be found before the upgrade, and a right one be
// in force before it is used.
func TestTasksAreInOrder(t *testing.T) {
	type task struct{ Name string }
	var names []string
	for _, all := range decode[[]task](t, example("ansible/roles/ecr_refreshd/tasks/main.yml")) {
		for _, one := range all {
			names = append(names, one.Name)
		}
	}
	last := -1
	for _, want := range []string{"Write the configuration", "Check the configuration with the program that is there", "Install the deb",
		"Check the configuration", "Start now and at every boot", "Reload before the accounts ask", "Point the accounts to the credential helper"} {
		at := slices.Index(names, want)
		if at <= last {
			t.Errorf("%q is task %d of %q; want it after %d", want, at, names, last)
		}
		last = at
	}
}

func TestTasksNotifyHandlersThatAreThere(t *testing.T) {
	type task struct{ Name, Notify string }
	const role = "ansible/roles/ecr_refreshd/"
	var handlers, notified []string
	for _, all := range decode[[]task](t, example(role+"handlers/main.yml")) {
		for _, h := range all {
			handlers = append(handlers, h.Name)
		}
	}
	for _, all := range decode[[]task](t, example(role+"tasks/main.yml")) {
		for _, one := range all {
			if one.Notify != "" {
				notified = append(notified, one.Notify)
			}
		}
	}
	if len(notified) == 0 || !slices.Equal(notified, handlers) {
		t.Errorf("tasks notify %q, the handlers are %q", notified, handlers)
	}
}
