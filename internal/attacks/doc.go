// Package attacks is the tests of what hostile endpoints, engines, registries and
// commands may do: tell no secret, crash nothing, take no more than their share.
// It drives the public interfaces of ecr and of the engine target, and the programs
// themselves. Nothing of it is shipped.
package attacks
