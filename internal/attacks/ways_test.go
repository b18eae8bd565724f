package attacks

import (
	"flag"
	"testing"
)

var ways = flag.String("ways", "few", "how many of the attacks to try: few, many, all")

// leftOut picks one combination in every of them, spread evenly; fewer of few.
func leftOut(combination, every int) bool {
	switch *ways {
	case "few":
		return combination%(6*every) != 0
	case "many":
		return combination%every != 0
	}
	return false
}

// needPrograms is for tests that build and run the programs.
func needPrograms(t *testing.T) {
	t.Helper()
	if *ways == "few" {
		t.Skip("runs the programs: make attacks")
	}
}
