package credhelper

import (
	"io"
	"time"
)

// pause lies between two tries to reach a daemon that is not there.
const pause = 20 * time.Millisecond

// daemon is where the daemon may be, and how patient to be with it.
type daemon struct {
	sockets  []string
	uid      int
	patience time.Duration // with a daemon that is not there, because it may be restarting
}

// request is what the daemon is asked. Method and path are safe in a request line.
type request struct {
	method, path string
	wait         bool // let the daemon wait a moment for a token that is on its way
}

// bytes gives the request as it goes over the socket. HTTP/1.0 rules out answers
// in chunks and a connection that is kept open.
func (r request) bytes() []byte {
	path := r.path
	if r.wait {
		path += "?wait=10s"
	}
	return []byte(r.method + " " + path + " HTTP/1.0\r\nAccept: text/plain\r\n\r\n")
}

// ask makes the request to the first socket at which somebody listens, within
// limit. Its error is one line, fit to be printed as it is.
func (d daemon) ask(r request, limit time.Duration) (answer, error) {
	start := time.Now()
	for {
		a, failed := d.try(r, start.Add(limit))
		if len(failed) == 0 {
			return a, nil
		}
		if !failed.passing() || time.Since(start) >= min(d.patience, limit) {
			return answer{}, failed.explain(d.uid, limit)
		}
		time.Sleep(pause)
	}
}

// try asks once, until end.
func (d daemon) try(r request, end time.Time) (answer, failures) {
	var failed failures
	for _, path := range d.sockets {
		c, err := dial(path, end)
		if err != nil {
			failed = append(failed, failure{path, err})
			continue
		}
		defer c.Close()
		a, err := exchange(c, r)
		if err != nil {
			return answer{}, append(failed, failure{path, err})
		}
		return a, nil
	}
	return answer{}, failed
}

// exchange sends the request and takes the answer.
func exchange(c io.ReadWriter, r request) (answer, error) {
	_, broken := c.Write(r.bytes())
	// One who hangs up before he was asked may have said why.
	a, err := readAnswer(c, r.method != "HEAD")
	if err != nil && broken != nil {
		return answer{}, cause(broken)
	}
	return a, cause(err)
}
