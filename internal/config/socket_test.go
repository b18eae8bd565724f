package config

import (
	"io/fs"
	"slices"
	"strconv"
	"testing"
)

func TestSocketMode(t *testing.T) {
	tests := []struct {
		name, text string
		want       fs.FileMode
	}{
		{"nothing written", "registries: [{region: us-east-1}]", 0o660},
		{"a group only", "registries: [{region: us-east-1}]\nsocket: {group: docker}", 0o660},
		{"lists that are empty", "registries: [{region: us-east-1, allow: {users: []}}]\nsocket: {mode: '', allow: {groups: []}}", 0o660},
		{"a user of the socket", "registries: [{region: us-east-1}]\nsocket: {allow: {users: [ci]}}", 0o666},
		{"a group of the socket", "registries: [{region: us-east-1}]\nsocket: {allow: {groups: [ci]}}", 0o666},
		{"a user of the last registry", "registries: [{region: us-east-1}, {region: eu-west-1, allow: {users: [ci]}}]", 0o666},
		{"a group of a further entry", "registries: [{region: us-east-1}, {region: us-east-2, account: '111122223333', allow: {groups: [ci]}}]", 0o666},
		{"what is written, with names", "registries: [{region: us-east-1, allow: {users: [ci]}}]\nsocket: {mode: '0660', allow: {users: [ci]}}", 0o660},
		{"what is written, without names", "registries: [{region: us-east-1}]\nsocket: {mode: '0666'}", 0o666},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parse("c.yaml", []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if got := c.SocketMode(); got != tt.want {
				t.Errorf("got %04o, want %04o", got, tt.want)
			}
		})
	}
}

// Every mode of four digits is tried, so that nothing looser than 0666 and
// nothing that locks the daemon out gets through.
func TestModesOfSockets(t *testing.T) {
	s := compileSchema(t)
	digits := []rune("01234567")
	accepted := 0
	for n := range 8 * 8 * 8 * 8 {
		text := string([]rune{digits[n>>9], digits[n>>6&7], digits[n>>3&7], digits[n&7]})
		file := smallest + "\nsocket: {mode: \"" + text + "\"}\n"
		c, err := parse("c.yaml", []byte(file))
		want := n&^0o666 == 0 && n&0o600 == 0o600
		if (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
		if err == nil && c.SocketMode() != fs.FileMode(n) {
			t.Errorf("%s was read as %04o", text, c.SocketMode())
		}
		if seen := validate(s, file) == nil; seen != want {
			t.Errorf("%s: the schema accepts: %v, want %v", text, seen, want)
		}
		if err == nil {
			accepted++
		}
	}
	if accepted != 16 {
		t.Errorf("%d modes were accepted, want 16", accepted)
	}
}

func TestIDsOfUsers(t *testing.T) {
	ids := []uint64{0, 1, 9, 10, 65534, 999999999, 1000000000, 3999999999, 4294967294, 4294967295, 9999999999, 10000000000}
	for place := uint64(1); place <= 1e9; place *= 10 {
		ids = append(ids, 4294967294-place, 4294967294+place, 4294967294/place*place, (4294967294/place+1)*place)
	}
	for _, id := range ids {
		file := smallest + "\nsocket: {allow: {users: [\"" + strconv.FormatUint(id, 10) + "\"]}}\n"
		_, err := parse("c.yaml", []byte(file))
		want := id < 1<<32-1
		if (err == nil) != want {
			t.Errorf("%d: %v", id, err)
		}
	}
}

// usable reports whether an Allow is as its comment says.
func usable(a Allow) bool {
	for _, names := range [][]string{a.Users, a.Groups} {
		if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) || slices.Contains(names, "") {
			return false
		}
	}
	return true
}
