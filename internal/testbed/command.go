package testbed

import (
	"context"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// stopping is how long a program that is called off may take.
const stopping = 10 * time.Second

// Command is a program to be run as the account, in its home and with nothing
// in the environment but what a login gives and env. Root also finds the
// credentials of Options.Profiles. When ctx ends, the program is killed; it
// never outlives this process.
func (b *Bed) Command(ctx context.Context, as Account, env []string, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = b.Dir
	cmd.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + as.Home, "USER=" + as.Name, "LOGNAME=" + as.Name, "LANG=C.UTF-8",
	}
	if as.UID == 0 {
		cmd.Env = append(append(cmd.Env, "STATE_DIRECTORY="+filepath.Join(b.Dir, "state")), environAWS()...) // not the host's
	} else {
		groups := make([]uint32, len(as.Groups))
		for i, g := range as.Groups {
			groups[i] = uint32(g)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Credential: &syscall.Credential{Uid: uint32(as.UID), Gid: uint32(as.GID), Groups: groups},
		}
	}
	cmd.Env = append(cmd.Env, env...)
	cmd.WaitDelay = stopping
	return cmd
}
