package daemon

import (
	"context"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/fault"
)

const (
	// relisten is when a socket that could not be made is tried again.
	relisten = 10 * time.Second
	// patrol is how often it is looked whether the socket is still in its place.
	patrol = 5 * time.Second
	// socketName is the socket's name in the runtime directory.
	socketName = "ecr-refreshd.sock"
)

// serve answers the local API until ctx ends. A socket that cannot be made, or
// that somebody removes, is made again: renewal does not depend on it. One of the
// service manager's is looked after there.
func (d *Daemon) serve(ctx context.Context) {
	server := api.New(api.Options{Backend: d, Directory: d.directory, Logger: d.Logger})
	if d.Socket != nil {
		d.Logger.Info("local API listens at the service manager's socket", zap.Stringer("socket", d.Socket.Addr()))
		if err := server.Serve(ctx, d.Socket); err != nil {
			d.Logger.Error("local API has ended", zap.Error(err))
		}
		return
	}
	var said string
	for ctx.Err() == nil {
		g := d.generation()
		l, err := listen(ctx, g.config)
		if err == nil {
			said = ""
			d.Logger.Info("local API listens", zap.Stringer("socket", l.Addr()))
			d.answer(ctx, server, l, g)
			continue
		}
		if f := fault.All(err)[0]; f.Error() != said && ctx.Err() == nil {
			said = f.Error()
			d.Logger.Error("local API does not listen", zap.String("reason", string(f.Reason)),
				zap.String("hint", f.Hint), zap.String("error", said))
		}
		select {
		case <-ctx.Done():
		case <-g.replaced:
		case <-time.After(relisten):
		}
	}
}

func listen(ctx context.Context, c *config.Config) (*api.Listener, error) {
	path, err := socketPath(c)
	if err != nil {
		return nil, err
	}
	return api.Listen(ctx, path, c.Socket.Group, c.SocketMode())
}

// socketPath is where the local API listens.
func socketPath(c *config.Config) (string, error) {
	if c.Socket.Path != "" {
		return c.Socket.Path, nil
	}
	dir, err := RuntimeDir()
	if err != nil {
		return "", &fault.Error{Reason: fault.Local, Op: "find a place for the socket", Err: err,
			Hint: "set socket.path in the configuration"}
	}
	return filepath.Join(dir, socketName), nil
}

// answer serves l, made for g, until it has to be made anew.
func (d *Daemon) answer(ctx context.Context, server *api.Server, l *api.Listener, g *generation) {
	life, end := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- server.Serve(life, l) }()
	look := time.NewTicker(patrol)
	defer look.Stop()
	for wanted := true; wanted; {
		select {
		case <-ctx.Done():
			wanted = false
		case err := <-served:
			d.Logger.Warn("local API has ended, starting it again", zap.Error(err))
			end()
			return
		case <-g.replaced:
			next := d.generation()
			wanted = sameSocket(g.config, next.config)
			g = next
		case <-look.C:
			if wanted = l.Ours(); !wanted {
				d.Logger.Warn("somebody has removed the socket of the local API, making it again", zap.Stringer("socket", l.Addr()))
			}
		}
	}
	end()
	<-served
}

func sameSocket(a, b *config.Config) bool {
	return a.Socket.Path == b.Socket.Path && a.Socket.Group == b.Socket.Group && a.SocketMode() == b.SocketMode()
}
