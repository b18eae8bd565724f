package credhelper

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// pathLimit is the room, in bytes, of sockaddr_un for a path and its final zero.
const pathLimit = 107

// What keeps a socket from being one, beside the kernel's reasons.
var (
	errNoSocket = errors.New("not a socket")
	errLongPath = errors.New("longer than the 107 bytes of a socket's path") // fmt would cost time at each start
)

// failure is why one socket gave no answer. The error is a syscall.Errno, one of
// this package, or what is wrong with an answer.
type failure struct {
	path string
	err  error
}

// absent reports that nobody listens at the socket.
func (f failure) absent() bool { return f.err == syscall.ENOENT || f.err == syscall.ECONNREFUSED }

// dropped reports that somebody did, but hung up before he said anything.
func (f failure) dropped() bool {
	return f.err == errNothing || f.err == syscall.ECONNRESET || f.err == syscall.EPIPE
}

// unusable reports that the path itself keeps us from connecting.
func (f failure) unusable() bool {
	_, kernel := f.err.(syscall.Errno)
	return kernel || f.err == errNoSocket || f.err == errLongPath
}

// failures holds one for each socket that was tried, in their order.
type failures []failure

// passing reports whether all of it may be a daemon that is just restarting.
func (fs failures) passing() bool {
	for _, f := range fs {
		if !f.absent() && !f.dropped() {
			return false
		}
	}
	return true
}

// explain makes the failures one line, with what a person can do about the last
// one that tells more than that nobody listens.
func (fs failures) explain(uid int, limit time.Duration) error {
	main, absent := fs[len(fs)-1], make([]string, 0, len(fs))
	for _, f := range fs {
		if f.absent() {
			absent = append(absent, fmt.Sprintf("%q (%v)", f.path, f.err))
		} else {
			main = f
		}
	}
	const look = "see `systemctl status ecr-refreshd`"
	var text string
	switch {
	case main.absent():
		return fmt.Errorf("ecr-refreshd: no daemon listens at %s; "+
			"start it with `systemctl start ecr-refreshd`, or set $ECR_REFRESHD_SOCKET to its socket", strings.Join(absent, " or "))
	case main.dropped():
		text = fmt.Sprintf("the daemon at %q hangs up without an answer; "+look, main.path)
	case main.err == errLate:
		text = fmt.Sprintf("the daemon at %q gives no answer within %v; "+look, main.path, limit)
	case main.err == syscall.EACCES:
		text = fmt.Sprintf("connect to %q: %v: the socket's group or mode does not let user id %d in; "+
			"set socket.group or socket.allow in the daemon's configuration", main.path, main.err, uid)
	case main.unusable():
		text = fmt.Sprintf("connect to %.200q: %v; set $ECR_REFRESHD_SOCKET to the daemon's socket", main.path, main.err)
	default:
		text = fmt.Sprintf("the answer at %q makes no sense: %v; is it another program that listens there?", main.path, main.err)
	}
	if len(absent) > 0 {
		text += "; nobody listens at " + strings.Join(absent, " or ")
	}
	return errors.New("ecr-refreshd: " + text)
}
