// Command ecr-emulator runs the emulator of ECR, ECR Public, STS and their
// registries as a program. It holds flags and signals; what is emulated lives
// in internal/emulator.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"ecr-refreshd/internal/emulator"
	"ecr-refreshd/internal/registry"
	"ecr-refreshd/internal/stdlog"
)

const (
	exitOK = iota
	exitFailed
	exitUsage
)

const usage = `Usage: ecr-emulator [flags]

A stand-in for Amazon ECR, ECR Public, STS and their registries on loopback, for
tests and demonstrations. Its tokens really expire. It needs no AWS account.

Standard output gets shell lines that point the AWS CLI, every AWS SDK and
ecr-refreshd at it; standard error gets one line for each call.

Example: tokens that live a minute

  rm -f env.sh
  ecr-emulator --token-life 1m --ca-out ca.pem >env.sh &
  until grep -qs AWS_ENDPOINT_URL env.sh; do sleep 0.1; done
  . ./env.sh
  aws ecr get-authorization-token
  curl --cacert ca.pem -u "AWS:$(aws ecr get-login-password)" \
    --connect-to ::$ECR_EMULATOR_REGISTRY \
    https://111122223333.dkr.ecr.us-east-1.amazonaws.com/v2/

Docker needs the registry on port 443 (--registry-listen 127.0.0.1:443), the
registry's name in /etc/hosts, and the CA in
/etc/docker/certs.d/111122223333.dkr.ecr.us-east-1.amazonaws.com/ca.crt.

Scripts order faults and look at the calls on the same address:

  curl -d '{"operation": "GetAuthorizationToken", "times": 3, "status": 400,
    "code": "ThrottlingException", "delay": "2s"}' $AWS_ENDPOINT_URL/_emulator/faults
  curl $AWS_ENDPOINT_URL/_emulator/calls
  curl -X DELETE $AWS_ENDPOINT_URL/_emulator/faults

Other keys of a fault: region, message, drop (true: hang up), expires_in (the
life that the answer claims, as "-1h"), body. The CA is at /_emulator/ca.

Flags:
`

// settings are the flags.
type settings struct {
	listen, registryListen string
	tokenLife              time.Duration
	caOut                  string
	accounts               []string
	region                 string
	allowRemote            bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run serves until ctx ends and gives the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	set, err := parse(args, stdout)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "ecr-emulator: %v\nSee ecr-emulator -h.\n", err)
		return exitUsage
	}
	if err := serve(ctx, set, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "ecr-emulator: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// parse reads and checks the flags; help goes to stdout.
func parse(args []string, stdout io.Writer) (settings, error) {
	var set settings
	def := emulator.DefaultPrincipal()
	flags := flag.NewFlagSet("ecr-emulator", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // run reports errors itself
	flags.StringVar(&set.listen, "listen", "127.0.0.1:0", "`address` of the AWS APIs")
	flags.StringVar(&set.registryListen, "registry-listen", "127.0.0.1:0", "`address` of the registries, TLS")
	flags.DurationVar(&set.tokenLife, "token-life", 12*time.Hour, "how long an authorization token is good")
	flags.StringVar(&set.caOut, "ca-out", "", "write the registries' CA certificate to this `file`")
	accounts := flags.String("accounts", strings.Join(append([]string{def.Account}, def.Opens...), ","),
		"`accounts` whose registries a token opens; the first is the caller's own")
	flags.StringVar(&set.region, "region", "us-east-1", "`region` in the printed lines; every region is served")
	flags.BoolVar(&set.allowRemote, "allow-remote", false, "permit addresses that other machines can reach")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(stdout)
			fmt.Fprint(stdout, usage)
			flags.PrintDefaults()
		}
		return settings{}, err
	}
	set.accounts = strings.Split(*accounts, ",")
	return set, set.check(flags.Args())
}

func (s settings) check(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q: everything is a flag", rest[0])
	}
	if s.tokenLife <= 0 {
		return fmt.Errorf("--token-life %v: write a positive duration such as 1m", s.tokenLife)
	}
	for _, a := range s.accounts {
		if !registry.ValidAccount(a) {
			return fmt.Errorf("--accounts %q: an account is 12 digits; separate several by commas", a)
		}
	}
	if !registry.ValidRegion(s.region) {
		return fmt.Errorf("--region %q: write a region such as eu-west-1", s.region)
	}
	for _, addr := range []string{s.listen, s.registryListen} {
		if !s.allowRemote && !isLoopback(addr) {
			return fmt.Errorf("listen on %q: its key and tokens protect nothing, so only loopback is served: "+
				"write 127.0.0.1:PORT, or add --allow-remote", addr)
		}
	}
	return nil
}

// isLoopback tells addresses that only this machine can reach.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// serve runs the emulator until ctx ends.
func serve(ctx context.Context, set settings, stdout, stderr io.Writer) error {
	who := emulator.DefaultPrincipal()
	who.Account, who.Opens = set.accounts[0], set.accounts[1:]
	logger := log.New(stderr, "", log.LstdFlags)
	stdlog.Divert(func(lines int) { logger.Printf("net/http complained in %d lines, which may hold secrets", lines) })
	server, err := emulator.Start(emulator.Options{
		TokenLife:    set.tokenLife,
		Addr:         set.listen,
		RegistryAddr: set.registryListen,
		Principals:   []emulator.Principal{who},
		OnCall:       func(c emulator.Call) { logger.Print(line(c)) },
	})
	if err != nil {
		return err
	}
	defer server.Close()
	exports := []string{
		"AWS_ENDPOINT_URL=" + server.Endpoint(),
		"AWS_ACCESS_KEY_ID=" + who.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + who.SecretAccessKey,
		"AWS_REGION=" + set.region,
		"AWS_DEFAULT_REGION=" + set.region, // the one name that version 1 of the AWS CLI reads
		"ECR_EMULATOR_REGISTRY=" + server.RegistryAddr(),
	}
	if set.caOut != "" {
		if err := os.WriteFile(set.caOut, server.CA(), 0o644); err != nil {
			return fmt.Errorf("write the CA certificate: %w", err)
		}
	}
	// A session token from elsewhere would make every SDK sign with the wrong
	// credentials.
	settings := "export " + strings.Join(exports, "\nexport ") + "\nunset AWS_SESSION_TOKEN\n"
	if _, err := io.WriteString(stdout, settings); err != nil {
		return fmt.Errorf("print the settings: %w", err)
	}
	<-ctx.Done()
	return nil
}

// line is the log line of a call.
func line(c emulator.Call) string {
	fields := []string{c.Service + ":" + c.Operation}
	for _, f := range []struct{ name, value string }{
		{"region", c.Region}, {"host", c.Host}, {"principal", c.Principal}, {"error", c.Code},
	} {
		if f.value != "" {
			fields = append(fields, fmt.Sprintf("%s=%q", f.name, f.value))
		}
	}
	return strings.Join(append(fields, fmt.Sprintf("status=%d", c.Status)), " ")
}
