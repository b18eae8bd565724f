package systemd

import (
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"time"
)

// journalSocket is where systemd's journal takes entries.
const journalSocket = "/run/systemd/journal/socket"

// Field is a field of a journal entry, with a name of upper-case letters, digits
// and underscores; see systemd.journal-fields(7). A name may come several times.
type Field struct{ Name, Value string }

// Log writes one entry into the journal, by its native protocol. An error means
// that it was not taken, because there is no journal or the entry is too long for one
// datagram, some 200 kB.
func Log(fields []Field) error { return logTo(journalSocket, fields) }

func logTo(socket string, fields []Field) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: socket})
	if err != nil {
		return fmt.Errorf("log to the journal: %w", err)
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return fmt.Errorf("log to the journal: %w", err)
	}
	if _, err := conn.Write(entry(fields)); err != nil {
		return fmt.Errorf("log to the journal: %w", err)
	}
	return nil
}

// entry is what goes into the datagram: NAME=value lines, and for a value of
// several lines its name, its length in 64 bits, and the value.
func entry(fields []Field) []byte {
	var b []byte
	for _, f := range fields {
		b = append(b, f.Name...)
		if strings.Contains(f.Value, "\n") {
			b = append(b, '\n')
			b = binary.LittleEndian.AppendUint64(b, uint64(len(f.Value)))
		} else {
			b = append(b, '=')
		}
		b = append(b, f.Value...)
		b = append(b, '\n')
	}
	return b
}
