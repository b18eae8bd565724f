package handover

import (
	"time"

	"golang.org/x/sys/unix"
)

// moment is one reading of this host's two clocks.
type moment struct {
	wall time.Time
	boot time.Duration // since the kernel started, suspension included: CLOCK_BOOTTIME
}

func present() moment {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // every kernel since 2.6.39 has it; without it the wall clock decides
	return moment{time.Now(), time.Duration(ts.Nano())}
}

// shift is what must be added to a wall-clock time that was noted at m, to
// make it fit the wall clock at now. Of the two clocks the one that went further is
// believed, so a clock that was set makes a token look older at worst, never
// younger: shift is zero or less.
func (m moment) shift(now moment) time.Duration {
	byWall := now.wall.Sub(m.wall)
	return byWall - max(byWall, now.boot-m.boot, 0)
}
