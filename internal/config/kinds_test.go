package config_test

import (
	"os"
	"testing"

	"ecr-refreshd/internal/config"
	"ecr-refreshd/internal/targets"
)

// The kinds import config, so a test inside it cannot import them.
func TestMain(m *testing.M) {
	config.TestKinds = targets.Kinds
	os.Exit(m.Run())
}
