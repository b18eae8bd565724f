package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"ecr-refreshd/internal/renew"
)

// Kinds are the kinds of targets that a file may have: a line each in
// internal/targets, and at least one. Messages write the first as an example.
type Kinds []Kind

// Kind is a type of target: what this package must know of it. All else of a
// kind is in its own package.
type Kind struct {
	Type    string // as users write it after type:, such as docker-config
	Default bool   // a file without targets has one of it
	Doc     string // what it is, as editors show it
	// Read reads and checks the options of one target, and reports all that is wrong
	// with them. The fields that it has the Block read are its keys beside type and name, in
	// the order in which messages list them. The zero Block stands for one in which nothing is
	// written. It touches nothing. What it returns after a report is used for nothing.
	Read func(*Block) Options
}

// Options are what a file says of one target. They are values that
// reflect.DeepEqual compares: a target whose options are the same after a reload
// keeps its status. encoding/json writes and reads them, for the record of what is
// placed where; see Kinds.Restore.
type Options interface {
	// Place names where the target writes: two targets with one place are a mistake,
	// whatever their kinds, and what a reload moves to another place is released in
	// the former one. A file's place is its path.
	Place() string
	// New makes the target. It touches no file, socket or goroutine; its error names
	// the setting that is wrong, of those that the file does not hold.
	New() (Destination, error)
}

// HostChecker is what Options are too that suit some hosts only.
type HostChecker interface {
	// CheckHosts reports on the Block, which Read has read, what is wrong with the options for the
	// hosts of the target, by grant. It is called if nothing is wrong in the whole file otherwise.
	CheckHosts(b *Block, grants []Grant)
}

// Destination is a target at work. What more can be done with it, it says by
// the other interfaces of package renew. For a moment after a reload, the targets of
// both configurations work on the same place.
type Destination interface {
	renew.Target
	renew.Forgetter // a target that holds nothing returns nil, one that cannot forget an error whose hint says what a person can do
	// String names the place for people. No secret may be in it.
	fmt.Stringer
}

// Restore makes options of the type's kind from their JSON, as a process before this one wrote
// it. It checks nothing else: they were checked when they were read from a file.
func (ks Kinds) Restore(typ string, data []byte) (Options, error) {
	i := slices.IndexFunc(ks, func(k Kind) bool { return k.Type == typ })
	if i < 0 {
		return nil, fmt.Errorf("no kind of targets is called %q", typ)
	}
	to := reflect.New(reflect.TypeOf(ks[i].Read(&Block{})))
	if err := json.Unmarshal(data, to.Interface()); err != nil {
		return nil, fmt.Errorf("options of %s: %w", typ, err)
	}
	return to.Elem().Interface().(Options), nil
}
