// Package nodump keeps the memory of a process, which holds tokens, from other
// processes of its account and from the disk. The credential helper runs it at
// each start, so that nothing may be added here that costs time.
package nodump

import "syscall"

// Set allows no core dump of this process, and nobody but root to trace it or to
// read its memory, environment and open files in /proc. Programs that it starts can
// be traced again, and may raise the limit of their core dumps as far as this process
// could. What a sandbox forbids of it is left out.
func Set() {
	const notDumpable = 0
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, notDumpable, 0)
	var core syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_CORE, &core) == nil {
		core.Cur = 0
		_ = syscall.Setrlimit(syscall.RLIMIT_CORE, &core)
	}
}
