// Command kubelet is the kubelet's own part of a pull's login, the credential provider
// plugins and their cache, without the rest of it. It reads images, one a line, and prints
// for each the logins that the kubelet would try, as a line of JSON.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/kubernetes/pkg/credentialprovider/plugin"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: kubelet CONFIG BIN-DIR")
		os.Exit(2)
	}
	if err := plugin.RegisterCredentialProviderPlugins(os.Args[1], os.Args[2], nil, nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	type login struct{ Username, Password string }
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		logins := []login{}
		found, _ := plugin.NewExternalCredentialProviderDockerKeyring("default", "pod", "uid", "default").Lookup(lines.Text())
		for _, l := range found {
			logins = append(logins, login{l.Username, l.Password})
		}
		text, err := json.Marshal(logins)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(string(text))
	}
}
