package dockerconfig

import (
	"errors"
	"fmt"

	"ecr-refreshd/internal/osuser"
)

// errIdentity marks that this process may not act as another account.
var errIdentity = &problem{"refused",
	"run ecr-refreshd as root, or with CAP_SETUID and CAP_SETGID, or as {user} itself"}

// as runs f with the account's rights: links and swapped directories then lead nowhere that
// the account cannot go by itself. f must start no goroutine; see osuser.As.
func as(a *osuser.Account, f func() error) error {
	err := osuser.As(a, f)
	if errors.Is(err, osuser.ErrIdentity) {
		return fmt.Errorf("%w: %w", errIdentity, err)
	}
	return err
}
