package testbed

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"ecr-refreshd/internal/emulator"
)

// StartAWS starts an emulated AWS whose registries are at port 443 of addr, as
// real host names have no port, and makes the engine trust the names that
// Options.Hosts leads to addr. o.RegistryAddr is ignored. The caller closes it.
func (b *Bed) StartAWS(addr string, o emulator.Options) (*emulator.Server, error) {
	o.RegistryAddr = net.JoinHostPort(addr, "443")
	server, err := emulator.Start(o)
	if err != nil {
		return nil, err
	}
	for name, at := range b.hosts {
		if at != addr {
			continue
		}
		if err := trust(name, server.CA()); err != nil {
			server.Close()
			return nil, fmt.Errorf("make the engine trust %q: %w", name, err)
		}
	}
	return server, nil
}

// trust puts the authority where the engine looks for it, each time it calls.
func trust(host string, ca []byte) error {
	dir := filepath.Join(certsDir, host)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "ca.crt"), ca, 0o644)
}
