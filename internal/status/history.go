package status

import (
	"slices"
	"strings"
	"time"
)

// quarters is how many quarter hours a history has: a day.
const (
	quarter  = 15 * time.Minute
	quarters = int(24 * time.Hour / quarter)
)

// The letters of Registry.LastDay, from the best to the worst.
const (
	waited    = 'p' // for a first token, or for a target to be logged in
	well      = 'o'
	target    = 't' // a target failed
	renewal   = 'r' // renewal failed, the token was still good
	tokenless = 'e' // there was no valid token: it had expired, or the first one could not be fetched
)

const severity = string(waited) + string(well) + string(target) + string(renewal) + string(tokenless)

// history remembers the worst of each quarter hour of the last day. The zero value
// knows nothing.
type history struct {
	letters [quarters]byte // the last one is the present quarter hour; 0 for no data
	slot    int64          // the present quarter hour, counted from 1970
	now     byte           // how it stands since the last note
}

// note says that it stands as letter from at on. Until then it stood as noted before.
func (h *history) note(at time.Time, letter byte) {
	slot := at.Unix() / int64(quarter/time.Second)
	// A clock that was set back moves the day along with it.
	passed := int(min(max(slot-h.slot, 0), int64(quarters)))
	copy(h.letters[:], h.letters[passed:])
	for i := quarters - passed; i < quarters; i++ {
		h.letters[i] = h.now
	}
	h.slot, h.now = slot, letter
	last := &h.letters[quarters-1]
	*last = worse(*last, letter)
}

// follow puts was, which ended where h begins, before h.
func (h *history) follow(was history) {
	if h.now != 0 {
		was.note(time.Unix(h.slot*int64(quarter/time.Second), 0), h.now)
	}
	*h = was
}

// worse returns the one of two letters that is worse; 0 is better than any.
func worse(a, b byte) byte {
	if strings.IndexByte(severity, a) > strings.IndexByte(severity, b) {
		return a
	}
	return b
}

// known is the part that there are data for.
func (h *history) known() string {
	first := slices.IndexFunc(h.letters[:], func(b byte) bool { return b != 0 })
	if first < 0 {
		return ""
	}
	return string(h.letters[first:])
}

// letter says how r stands.
func (r Registry) letter() byte {
	switch {
	case r.State == Expired, r.State == Pending && r.Error != nil:
		return tokenless
	case r.State == Failing:
		return renewal
	case slices.ContainsFunc(r.Targets, func(t Target) bool { return t.State == Failed }):
		return target
	case r.Well():
		return well
	}
	return waited
}
