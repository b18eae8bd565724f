//go:build !race

package dockerconfig

const raceMemory = 1
