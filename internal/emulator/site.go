package emulator

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"

	images "github.com/google/go-containerregistry/pkg/registry"

	"ecr-refreshd/internal/registry"
)

// site is one registry: an account in a region, ECR Public, or a further name.
type site struct {
	public          bool
	account, region string // empty for a further name without an ECR name: any good token opens it
	open            bool   // everybody may pull and push without a login, and no login is taken
	images          http.Handler
}

// badRequest is the status with which the registry refuses a login that makes
// no sense to it.
func (s *site) badRequest() int {
	if s.public {
		return http.StatusForbidden
	}
	return http.StatusBadRequest
}

// unknownToken is the answer to a login that was never issued here.
func (s *site) unknownToken() *refusal {
	return &refusal{s.badRequest(), "DENIED", "Your Authorization Token is invalid."}
}

// sites finds and makes the registries. Names of one registry, such as its FIPS
// and its dual-stack name, share its images.
type sites struct {
	byHost  sync.Map          // host name to *site, of the names seen so far
	aliases map[string]string // further host names to the ECR name behind, or to ""
	mu      sync.Mutex        // guards byKey
	byKey   map[string]*site
}

func newSites(hosts []string) (*sites, error) {
	s := &sites{aliases: map[string]string{}, byKey: map[string]*site{}}
	for _, h := range hosts {
		name, target, aliased := strings.Cut(h, "=")
		if name = hostname(name); name == "" {
			return nil, fmt.Errorf("host %q: the name is empty", h)
		}
		if aliased && target != everybody {
			if _, err := registry.Parse(target); err != nil {
				return nil, fmt.Errorf("further name %q: %w", name, err)
			}
		}
		s.aliases[name] = target
	}
	return s, nil
}

// hostname is host in lower case, without its port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(host)
}

// everybody is the target of a name that is open.
const everybody = "*"

// find gives the registry of a host name with or without port, or nil.
func (s *sites) find(host string) *site {
	name := hostname(host)
	if known, ok := s.byHost.Load(name); ok {
		return known.(*site)
	}
	target, isAlias := s.aliases[name]
	open := target == everybody
	if target == "" || open {
		target = name
	}
	place, err := registry.Parse(target)
	if err != nil && !isAlias {
		return nil
	}
	found := s.add(place, name, open)
	s.byHost.Store(name, found)
	return found
}

// add gives the one site of a registry: place, or name where that says nothing.
func (s *sites) add(place registry.Registry, name string, open bool) *site {
	place.FIPS, place.DualStack = false, false
	key := place.Host()
	if place == (registry.Registry{}) {
		key = name
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.byKey[key]
	if !ok {
		found = &site{
			public: place.Public, account: place.Account, region: place.Region, open: open,
			images: images.New(images.Logger(log.New(io.Discard, "", 0))),
		}
		s.byKey[key] = found
	}
	return found
}
