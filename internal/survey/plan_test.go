package survey

import (
	"fmt"
	"strings"
	"testing"

	"ecr-refreshd/internal/registry"
)

// tellEntries is entries in one line.
func tellEntries(all []entry) string {
	var texts []string
	for _, e := range all {
		t := fmt.Sprint(e.accounts, e.regions)
		if e.public {
			t = "public"
		} else if e.host != "" {
			t = e.host
		}
		if e.profile != "" {
			t += " as " + e.profile
		}
		texts = append(texts, t)
	}
	return strings.Join(texts, "; ")
}

func TestEntries(t *testing.T) {
	mention := func(by Evidence, user string, hosts ...string) []Mention {
		var all []Mention
		for _, h := range hosts {
			r, ok := hostOf(h)
			if !ok {
				t.Fatal(h)
			}
			all = append(all, Mention{r, Place{Path: "~" + user + "/f"}, by, user})
		}
		return all
	}
	const a, b = "111122223333.dkr.ecr.us-east-1.amazonaws.com", "444455556666.dkr.ecr.us-east-1.amazonaws.com"
	const aw = "111122223333.dkr.ecr.eu-west-1.amazonaws.com"
	login := func(user, region, profile string) []Habit {
		return []Habit{{Kind: UserCron, User: user, Commands: []Command{{Region: region, Profile: profile}}}}
	}
	registryA := registry.Registry{Account: "111122223333", Region: "us-east-1"}
	tests := []struct {
		name string
		s    Survey
		want string
	}{
		{"nothing", Survey{}, "[] [us-east-1]"},
		{"a region of the environment", Survey{AWS: AWS{Region: "eu-west-1"}}, "[] [eu-west-1]"},
		{"a region of the profile of the environment", Survey{AWS: AWS{Profile: "ci", Profiles: []Profile{{Name: "default", Region: "us-east-2"}, {Name: "ci", Region: "eu-west-1"}}}}, "[] [eu-west-1] as ci"},
		{"an instance", Survey{AWS: AWS{Instance: &Instance{Account: "111122223333", Region: "eu-west-1", Role: "r"}}}, "[111122223333] [eu-west-1]"},
		{"an instance without a role", Survey{AWS: AWS{Instance: &Instance{Account: "111122223333", Region: "eu-west-1"}}}, "[] [eu-west-1]"},
		{"accounts of a region", Survey{Mentions: mention(ByLogin, "ci", b, a)}, "[111122223333 444455556666] [us-east-1]"},
		{"regions of an account", Survey{Mentions: mention(ByLogin, "ci", a, aw)}, "[111122223333] [eu-west-1 us-east-1]"},
		{"not what nobody asked for", Survey{Mentions: mention(ByLogin, "ci", a, b, aw)}, "[111122223333 444455556666] [us-east-1]; [111122223333] [eu-west-1]"},
		{"the rest", Survey{Mentions: mention(ByHelper, "ci", "public.ecr.aws", "ecr-public.aws.com", "111122223333.dkr.ecr-fips.us-east-1.amazonaws.com", a)},
			"[111122223333] [us-east-1]; ecr-public.aws.com; 111122223333.dkr.ecr-fips.us-east-1.amazonaws.com; public"},
		{"images count alone", Survey{Mentions: mention(ByImage, "", a)}, "[111122223333] [us-east-1]"},
		{"images count no more beside a login", Survey{Mentions: append(mention(ByImage, "", a), mention(ByLogin, "ci", b)...)}, "[444455556666] [us-east-1]"},
		{"a command with a region has made the login", Survey{Mentions: mention(ByLogin, "ci", a), Habits: login("ci", "us-east-1", "p")}, "[111122223333] [us-east-1] as p"},
		{"a command of another user has not", Survey{Mentions: mention(ByLogin, "ci", a), Habits: login("x", "us-east-1", "p")}, "[111122223333] [us-east-1]; [] [us-east-1] as p"},
		{"a command with a region only", Survey{Habits: login("x", "us-east-1", "")}, "[] [us-east-1]"},
		{"own accounts of two profiles", Survey{Habits: append(login("x", "us-east-1", "p"), login("y", "us-east-1", "q")...)}, "[] [us-east-1] as p; [] [us-east-1] as q"},
		{"ECR Public by a command", Survey{Habits: []Habit{{Commands: []Command{{Public: true, Region: "us-east-1"}}}}}, "public"},
		{"a command that cannot be made out", Survey{Habits: login("x", "", "")}, "[] [us-east-1]"},
		{"a role in the account", Survey{Mentions: mention(ByLogin, "ci", a, b), AWS: AWS{Profiles: []Profile{{Name: "prod", Account: "111122223333"}}}},
			"[444455556666] [us-east-1]; [111122223333] [us-east-1] as prod"},
		{"two roles in the account", Survey{Mentions: mention(ByLogin, "ci", a), AWS: AWS{Profiles: []Profile{{Name: "p", Account: "111122223333"}, {Name: "q", Account: "111122223333"}}}}, "[111122223333] [us-east-1]"},
		{"the instance is of the account", Survey{Mentions: mention(ByLogin, "ci", a),
			AWS: AWS{Instance: &Instance{Account: "111122223333", Role: "r"}, Profiles: []Profile{{Name: "p", Account: "111122223333"}}}}, "[111122223333] [us-east-1]"},
		{"a command says without a profile", Survey{Habits: []Habit{{Commands: []Command{{Registries: []registry.Registry{registryA}}}}},
			AWS: AWS{Profiles: []Profile{{Name: "prod", Account: "111122223333"}}}}, "[111122223333] [us-east-1]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tellEntries(entries(tt.s.wants())); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			draftOf(t, &tt.s)
		})
	}
}

func TestScalar(t *testing.T) {
	for text, want := range map[string]string{"ci": "ci", "a.b-c_d": "a.b-c_d", "yes": `"yes"`, "Null": `"Null"`, "1e3": `"1e3"`, "a@b": `"a@b"`, "-": `"-"`} {
		if got := scalar(text); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}
