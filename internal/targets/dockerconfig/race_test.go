//go:build race

package dockerconfig

// raceMemory is how many times more memory the race detector takes.
const raceMemory = 4
