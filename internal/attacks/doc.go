// Package attacks is the tests of what hostile endpoints, engines, registries and
// commands may do: tell no secret, crash nothing, take no more than their share.
// It drives the public interfaces of ecr and of the engine target, and the programs
// themselves. Nothing of it is shipped.
//
// Every way to attack times every form of a secret takes an hour. `go test` tries few,
// in seconds and without the programs; `make attacks` tries many; -ways all tries all.
package attacks
