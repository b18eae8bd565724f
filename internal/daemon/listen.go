package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"ecr-refreshd/internal/api"
	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/fault"
	"ecr-refreshd/internal/status"
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
// that somebody removes, is made again: renewal does not depend on it.
func (d *Daemon) serve(ctx context.Context) {
	server := api.New(api.Options{Backend: d, Directory: d.directory, Logger: d.Logger,
		Watching: d.watching(d.Status), Answered: d.metrics.Answered})
	if d.Socket != nil {
		d.serveManaged(ctx, server)
		return
	}
	var said string
	for ctx.Err() == nil {
		g := d.generation()
		l, err := listen(ctx, g.config)
		if err == nil {
			said = ""
			d.noteSocket(status.Socket{Path: l.Addr().String()})
			d.Logger.Info("local API listens", zap.Stringer("socket", l.Addr()))
			d.answer(ctx, server, l, g)
			continue
		}
		if f := fault.All(err)[0]; f.Error() != said && ctx.Err() == nil {
			said = f.Error()
			d.noteSocket(status.Socket{Error: &status.Problem{Reason: f.Reason, Message: said, Hint: f.Hint, At: time.Now()}})
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

// serveManaged answers at the socket of the service manager until ctx ends. When
// somebody has removed it, this says so: only the manager can make it again, and it
// does not when this process ends, for it still listens at what nobody can reach.
func (d *Daemon) serveManaged(ctx context.Context, server *api.Server) {
	path := d.Socket.Addr().String()
	d.Logger.Info("local API listens at the service manager's socket", zap.String("socket", path))
	d.noteSocket(status.Socket{Path: path})
	made, err := os.Lstat(path)
	there := func() bool {
		now, gone := os.Lstat(path)
		return strings.HasPrefix(path, "@") || err == nil && gone == nil && os.SameFile(made, now)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, d.Socket) }()
	look := time.NewTicker(patrol)
	defer look.Stop()
	for reachable := true; ; {
		if was := reachable; there() != was {
			reachable = !was
			d.noteManaged(path, reachable)
		}
		select {
		case err := <-served:
			if err != nil {
				d.Logger.Error("local API has ended", zap.String("reason", string(fault.Local)), zap.Error(err),
					zap.String("hint", "run `systemctl restart ecr-refreshd.socket ecr-refreshd.service`; until then clients get no logins, while files and engines are kept"))
			}
			return
		case <-look.C:
		}
	}
}

// noteManaged notes whether clients reach the service manager's socket.
func (d *Daemon) noteManaged(path string, reachable bool) {
	now := status.Socket{Path: path}
	if reachable {
		d.Logger.Info("the service manager's socket is there again", zap.String("socket", path))
	} else {
		p := &status.Problem{Reason: fault.Local, At: time.Now(), Message: fmt.Sprintf("somebody has removed the socket %q, which the service manager made", path),
			Hint: "run `systemctl stop ecr-refreshd.socket && systemctl restart ecr-refreshd.service`; until then new clients cannot connect"}
		now.Error = p
		d.Logger.Error("local API cannot be reached", zap.String("reason", string(p.Reason)), zap.String("hint", p.Hint), zap.String("error", p.Message))
	}
	d.noteSocket(now)
}

// noteSocket notes for the status how the socket stands.
func (d *Daemon) noteSocket(s status.Socket) {
	d.mu.Lock()
	d.socket = s
	d.mu.Unlock()
	d.news.tell()
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

// answer serves l, made for g, until it has to be made again.
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
