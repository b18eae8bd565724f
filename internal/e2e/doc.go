// Package e2e holds the end to end tests: the programs as they are built, the
// real Docker Engine and command line, real ECR host names and real accounts,
// on a machine of their own (see package testbed). It holds nothing else, and
// what can be tested with fewer parts is tested where it is written.
//
// Each test has an emulated AWS of its own and searches everything that was
// printed in it for every secret that was in use. The lives of tokens are
// seconds there, and follow what a pull takes on this machine.
//
// The tests need root, dockerd and docker, and some the clients that docs/clients.md
// lists. Where something lacks they skip and say what; with ECR_REFRESHD_NO_SKIP
// set they fail.
package e2e
