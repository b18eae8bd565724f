package daemon

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/login"
	"ecr-refreshd/internal/placed"
	"ecr-refreshd/internal/renew"
)

// ClearFormer takes away what a process before this one has placed: logins that the
// configuration no longer asks for, and those that have expired, where an expired one does
// harm. What is still valid and cannot be taken away now stays in the record. Run and Logout begin with
// it; Run tries again after a minute, then less often, and when a former login ends whose grant has no token yet. A
// program that calls Once calls it before. The error is a fault.List.
func (d *Daemon) ClearFormer(ctx context.Context) error {
	if d.Placed == "" {
		return nil
	}
	record, err := placed.Read(d.Placed)
	if err != nil {
		return fault.List{{Reason: fault.Local, Op: "read the record of former logins", Err: err,
			Hint: "it is written again; logins that only it told of stay: see what is left in the targets that you removed"}}
	}
	ctx, cancel := context.WithTimeout(ctx, retiring)
	defer cancel()
	g := d.generation()
	kept, now := g.names(), time.Now()
	d.placed.left = placed.Record{} // what was left before is in the record
	if d.placed.former == nil {
		d.placed.former = make(map[string]renew.Target)
	}
	var mu sync.Mutex
	var faults fault.List
	var wg sync.WaitGroup
	for i, p := range record.Places {
		options, err := d.Kinds.Restore(p.Type, p.Options)
		if err != nil {
			continue // a kind of another version: nothing can be done about it
		}
		// A place that does not answer holds up one call at a time: that of the same target.
		name := p.Type + " " + string(p.Options)
		target := d.placed.former[name]
		if target == nil {
			if target, err = options.New(); err != nil {
				continue // an environment variable names the place no longer
			}
			d.placed.former[name] = target
		}
		wg.Go(func() {
			found := clearPlace(ctx, target, record.Logins(i), kept[options.Place()], now)
			mu.Lock()
			defer mu.Unlock()
			if faults = append(faults, found...); len(found) > 0 && record.Valid(i, now) {
				d.placed.left.Add(record, i)
			}
		})
	}
	wg.Wait()
	if d.placed.tokens == nil { // later, the record may be older than what is known
		d.placed.tokens = record.Tokens()
	}
	return faults.Err()
}

// clearPlace takes those of the logins out of a place that are of no host in kept, and those that
// have expired.
func clearPlace(ctx context.Context, target renew.Target, logins [][]login.Login, kept []string, now time.Time) fault.List {
	var faults fault.List
	for _, ls := range logins { // a token each: a place holds one login of a host
		gone, expired := []login.Login{}, []login.Login{}
		for _, l := range ls {
			if !slices.ContainsFunc(kept, func(name string) bool { return mayBe(name, l.Host) }) {
				gone = append(gone, l)
			} else if !now.Before(l.ExpiresAt) {
				expired = append(expired, l)
			}
		}
		if len(gone) > 0 {
			_, err := renew.Release(ctx, target, gone)
			faults = append(faults, fault.All(err)...)
		}
		if remover, ok := target.(renew.Remover); ok && len(expired) > 0 {
			faults = append(faults, fault.All(remover.Remove(ctx, expired))...)
		}
	}
	return faults
}

// notes are what the record is made from, beside the generation in force. They belong to
// the goroutine that writes it.
type notes struct {
	tokens map[string][]placed.Token // by config.Grant.Key, the newest first
	left   placed.Record             // what a start could not take away
	former map[string]renew.Target   // the places of the process before, by their kind and options
	failed string                    // the last error of writing the record
}

// maxPlaced is how many tokens of a grant are known: a place whose store has failed holds the
// one before.
const maxPlaced = 2

// note writes the record of what lies where.
func (d *Daemon) note() error {
	if d.Placed == "" {
		return nil
	}
	g := d.generation()
	record := placed.Record{}
	index := make(map[string]int) // of places, by the target's name
	for _, t := range g.config.Targets {
		if !takesBack(g.targets[t.Name]) {
			continue
		}
		options, err := json.Marshal(t.Options)
		if err != nil {
			return err
		}
		index[t.Name] = len(record.Places)
		record.Places = append(record.Places, placed.Place{Type: t.Type, Options: options})
	}
	tokens := make(map[string][]placed.Token)
	for i, r := range g.renewers {
		key := g.config.Grants[i].Key()
		token, ok := r.Held()
		tokens[key] = d.placed.tokens[key]
		newest := placed.Token{Digest: token.Digest(), Account: token.Account, ExpiresAt: token.ExpiresAt}
		if ok && !slices.ContainsFunc(tokens[key], func(t placed.Token) bool { return t.Digest == newest.Digest }) {
			former := tokens[key][:min(len(tokens[key]), maxPlaced-1)]
			tokens[key] = append([]placed.Token{newest}, former...)
		}
		if len(tokens[key]) == 0 {
			continue
		}
		token.Account = tokens[key][0].Account // until there is a token, that of the process before
		grant := placed.Grant{Key: key, Tokens: tokens[key]}
		var names [][]string // of grant.Held, as configured
		for _, b := range r.Bindings {
			place, ok := index[b.Name]
			if !ok {
				continue
			}
			j := slices.IndexFunc(names, func(before []string) bool { return slices.Equal(before, b.Hosts) })
			if j < 0 { // most targets hold the same hosts
				j = len(names)
				names, grant.Held = append(names, b.Hosts), append(grant.Held, placed.Held{Hosts: known(token, b.Hosts)})
			}
			grant.Held[j].Places = append(grant.Held[j].Places, place)
		}
		record.Grants = append(record.Grants, grant)
	}
	for i := range d.placed.left.Places {
		record.Add(d.placed.left, i)
	}
	d.placed.tokens = tokens
	return record.Write(d.Placed)
}

// known are the names of hosts, those left out whose account is not known yet.
func known(token login.Token, names []string) []string {
	hosts := make([]string, 0, len(names))
	for _, name := range names {
		if host := token.For(name).Host; !strings.Contains(host, login.OwnAccount) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// takesBack reports whether logins can be taken out of the target one by one.
func takesBack(target renew.Target) bool {
	switch target.(type) {
	case renew.Remover, renew.Releaser:
		return true
	}
	return false
}

// noteFailed says that the record could not be written. Nothing depends on it but the end of
// logins, so that it is no failure.
func (d *Daemon) noteFailed(err error) {
	if d.placed.failed != err.Error() {
		d.Logger.Warn("record of logins not written",
			zap.String("error", err.Error()), zap.String("hint", "make its directory writable; until then, logins of registries and targets that leave the configuration while the daemon is down stay where they are"))
	}
	d.placed.failed = err.Error()
}
