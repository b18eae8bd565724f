package config

import (
	"bufio"
	"io"
	"os"
	"os/user"
	"strconv"
	"strings"

	"ecr-refreshd/internal/filetrust"
)

// callerAndRoot is the rule for the configuration: root, the caller and groups
// in which there is nobody else may be able to change it.
func callerAndRoot() filetrust.Rule {
	return filetrust.Rule{
		What:   "the configuration",
		Owners: []uint32{uint32(os.Geteuid()), 0},
		Group:  func(gid, owner uint32) bool { return gid == 0 || privateGroup(gid, owner) },
	}
}

// privateGroup reports whether gid is a group of the owner's own, as most
// distributions make one for every user: of the same name, the owner's primary
// group, and without other members.
func privateGroup(gid, owner uint32) bool {
	u, err := user.LookupId(strconv.FormatUint(uint64(owner), 10))
	if err != nil || u.Gid != strconv.FormatUint(uint64(gid), 10) {
		return false
	}
	f, err := os.Open("/etc/group")
	if err != nil {
		return false
	}
	defer f.Close()
	return ownGroup(f, u.Username, u.Gid)
}

// ownGroup looks gid up in the lines of /etc/group: name:password:gid:members.
func ownGroup(groups io.Reader, account, gid string) bool {
	lines := bufio.NewScanner(groups)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), ":")
		if len(fields) == 4 && fields[2] == gid {
			return fields[0] == account && (fields[3] == "" || fields[3] == account)
		}
	}
	return false
}
