package peerauth

import (
	"os"
	"strconv"
	"strings"
)

// strangers are the ids that the kernel shows for every user and group that has
// no place in this process's user namespace. Whoever carries one could be
// anybody: it matches no rule. In a namespace where every id has a place there
// are none, and 65534 is the user nobody and no one else.
type strangers struct{ uid, gid int64 } // -1: there are none

// overflowDefault is the kernel's own value of the overflow ids.
const overflowDefault = 65534

func readStrangers() strangers {
	return strangers{
		uid: stranger(readText("/proc/self/uid_map"), readText("/proc/sys/kernel/overflowuid")),
		gid: stranger(readText("/proc/self/gid_map"), readText("/proc/sys/kernel/overflowgid")),
	}
}

// readText gives a file of /proc, or "" where there is none to read.
func readText(path string) string {
	text, _ := os.ReadFile(path) // nil on an error
	return string(text)
}

// stranger gives the id that stands for ids without a place, or -1 when idMap
// (see user_namespaces(7)) gives a place to all. What cannot be read counts as
// the worse case.
func stranger(idMap, overflow string) int64 {
	var mapped uint64
	for line := range strings.Lines(idMap) {
		if f := strings.Fields(line); len(f) == 3 {
			n, err := strconv.ParseUint(f[2], 10, 32)
			if err == nil {
				mapped += n
			}
		}
	}
	if mapped >= 1<<32-1 { // every id but the one that means "none"
		return -1
	}
	id, err := strconv.ParseUint(strings.TrimSpace(overflow), 10, 32)
	if err != nil {
		return overflowDefault
	}
	return int64(id)
}

func (s strangers) isUser(uid uint32) bool  { return int64(uid) == s.uid }
func (s strangers) isGroup(gid uint32) bool { return int64(gid) == s.gid }
