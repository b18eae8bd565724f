package testbed

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// Node is an engine in a network namespace of its own, as on a host of its own: it has
// its own images, and reaches the other nodes and the emulated AWS by a bridge.
type Node struct {
	*Engine
	Addr string // of the node, for the others
}

const bridge = "nodes"

// StartNodes starts n engines, at most nine. It can be called once. The caller removes them; the
// network ends with the bed. The error is a *LackError where this machine has no such networks.
func (b *Bed) StartNodes(ctx context.Context, n int) (nodes []*Node, err error) {
	if err := FindEngine(); err != nil {
		return nil, err
	}
	for _, program := range []string{"ip", "nsenter"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, &LackError{What: program, Remedy: "apt-get install iproute2 util-linux"}
		}
	}
	if err := ip(ctx, "link add "+bridge+" type bridge", "addr add 10.77.0.1/24 dev "+bridge, "link set "+bridge+" up"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			for _, node := range nodes {
				err = errors.Join(err, node.Remove())
			}
		}
	}()
	for i := range n {
		name, addr := fmt.Sprintf("node%d", i+1), fmt.Sprintf("10.77.0.%d", 11+i)
		err := ip(ctx, "netns add "+name, "link add "+name+" type veth peer name eth0 netns "+name,
			"link set "+name+" master "+bridge+" up", "-n "+name+" addr add "+addr+"/24 dev eth0",
			"-n "+name+" link set eth0 up", "-n "+name+" link set lo up", "-n "+name+" route add default via 10.77.0.1")
		if err != nil {
			return nodes, err
		}
		engine, err := b.startEngine(ctx, "/run/netns/"+name)
		if err != nil {
			return nodes, err
		}
		nodes = append(nodes, &Node{engine, addr})
	}
	return nodes, nil
}

// ip runs commands of the program ip.
func ip(ctx context.Context, commands ...string) error {
	for _, c := range commands {
		if out, err := exec.CommandContext(ctx, "ip", strings.Fields(c)...).CombinedOutput(); err != nil {
			return &LackError{What: "networks between namespaces", Err: fmt.Errorf("ip %s: %w: %s", c, err, out)}
		}
	}
	return nil
}
