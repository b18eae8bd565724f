package config

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"ecr-refreshd/internal/registry"
)

// The forms of text that several keys share. That of one key stands with it.

// AccountPattern is what the name, or the id, of a user or a group may be. It is lenient, as
// directories have names with capitals, dots, @ and backslashes.
const AccountPattern = `^[^-\s/:,~*%$@+][^\s/:,~*%$]{0,255}$`

// Matching makes a form of what a regular expression accepts.
func Matching(pattern string, why, want string) Text {
	// Compiled when first needed: these patterns count up to 1,000 characters, and
	// all of them together would take a quarter of the program's start.
	compiled := sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
	return Text{Want: want, Pattern: pattern, Fault: func(text string) (string, string) {
		if compiled().MatchString(text) {
			return "", ""
		}
		return why, ""
	}}
}

// OneOf makes a form of a few words.
func OneOf(words ...string) Text {
	return Text{Want: enumerate(words, "or"), words: words, Fault: func(text string) (string, string) {
		switch lower := strings.ToLower(text); {
		case slices.Contains(words, text):
			return "", ""
		case slices.Contains(words, lower):
			return "is not in lower case", lower
		}
		return "is not known here", ""
	}}
}

// enumerate writes a list for people: a, b or c.
func enumerate(words []string, last string) string {
	n := len(words) - 1
	if n < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:n], ", ") + " " + last + " " + words[n]
}

var accountKind = Text{
	Want:    `12 digits in quotes, such as "111122223333"`,
	Pattern: `^[0-9]{12}$`,
	Fault: func(text string) (why, write string) {
		if registry.ValidAccount(text) {
			return "", ""
		}
		digits := strings.NewReplacer("-", "", " ", "", "_", "").Replace(text)
		if registry.ValidAccount(digits) {
			return "is not 12 digits", strconv.Quote(digits)
		}
		return "is not an account number", ""
	},
}

var availabilityZone = regexp.MustCompile(`^[a-z]+(-[a-z]+)+-[0-9]+[a-z]$`)

var regionKind = Text{
	Want:    "a region, such as us-east-1",
	Pattern: `^[a-z]+(-[a-z0-9]+)+-[0-9]+$`,
	Fault: func(text string) (why, write string) {
		switch {
		case registry.ValidRegion(text):
			return "", ""
		case availabilityZone.MatchString(text):
			return "is an availability zone", "its region: " + text[:len(text)-1]
		case registry.ValidRegion(strings.ToLower(text)):
			return "is not in lower case", strings.ToLower(text)
		}
		return "is not the name of an AWS region", ""
	},
}

// AbsolutePath is the name of a file.
var AbsolutePath = Text{
	Want:    "an absolute path",
	Pattern: `^/[^$]*[^/$]$`,
	Fault: func(text string) (why, write string) {
		switch {
		case strings.HasPrefix(text, "~"), strings.Contains(text, "$"):
			return "is not expanded: ~ and $ have no meaning here", ""
		case !filepath.IsAbs(text):
			return "is not an absolute path", "one that begins with /"
		case strings.HasSuffix(text, "/"):
			return "is a directory", "the path of the file in it"
		}
		return "", ""
	},
}

// address hides an address in which there may be a password.
func (v value) address() value {
	v.hidden = v.hidden || strings.ContainsAny(v.node.Value, "@?#")
	return v
}

// endpoint is the address of an API.
var endpoint = Text{
	Want:    "a URL such as https://vpce-0123.api.ecr.us-east-1.vpce.amazonaws.com",
	Pattern: `^https?://[^/?#@]+(/[^?#]*)?$`,
	Fault: func(text string) (why, write string) {
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Hostname() == "":
			return "is not a URL with a host", ""
		case !strings.HasPrefix(text, "https://") && !strings.HasPrefix(text, "http://"):
			return "is neither https:// nor http://", ""
		case u.User != nil:
			return "holds a user name or password", "it without them"
		case strings.ContainsAny(text, "?#"):
			return "has a query or fragment", "it without them"
		}
		return "", ""
	},
}

// durationText is a Go duration between least and most, both included, which goes into to.
func durationText(to *time.Duration, least, most time.Duration) Text {
	want := fmt.Sprintf("a duration from %s to %s, such as 30s", brief(least), brief(most))
	return Text{Want: want, Pattern: `^[+]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`, Fault: func(text string) (why, write string) {
		d, err := time.ParseDuration(text)
		if err != nil {
			if _, err := strconv.Atoi(text); err == nil {
				return "has no unit", text + "s for seconds"
			}
			return "is not a duration", ""
		}
		if d < least || d > most {
			return "is out of range", ""
		}
		*to = d
		return "", ""
	}}
}

// brief writes 5m0s as people do: 5m.
func brief(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var wholePercent = regexp.MustCompile(`^(0|[1-9][0-9]*)%$`)

// percent is a whole percentage between least and most, both included. to is in percent too.
func percent(key, doc string, to *int, least, most int) Field {
	want := fmt.Sprintf("a whole percentage from %d%% to %d%%", least, most)
	t := Text{Want: want, Pattern: wholePercent.String(), Fault: func(text string) (why, write string) {
		n, err := strconv.Atoi(strings.TrimSuffix(text, "%"))
		switch {
		case err == nil && !strings.HasSuffix(text, "%"):
			return "has no percent sign", strconv.Itoa(n) + "%"
		case !wholePercent.MatchString(text):
			return "is not a whole percentage", ""
		case n < least || n > most:
			return "is out of range", ""
		}
		*to = n
		return "", ""
	}}
	return Field{key, doc, shape{text: t, preset: strconv.Itoa(*to) + "%"}, t.good}
}
