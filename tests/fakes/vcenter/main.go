// SPDX-License-Identifier: Apache-2.0

// vcenter - a pretended vCenter, or with -esx a pretended ESXi host, for the tests of plugins/vmware.
//
// The inventory, the property collector and the sessions are those of govmomi's simulator (Debian's
// golang-github-vmware-govmomi-dev). Before it stands a front that refuses what a real server refuses and the simulator lets
// pass: another SOAPAction or content type, elements out of order or unknown, an abstract argument without its type, a cookie
// after its logout. Tasks take their time, snapshots hold what the VM held, and each trap of the API is a switch.
//
//	vcenter -cert PEM -key PEM [-esx] [-user U -password-file F] [-real VM COMMAND…]
//
// With -real that VM is a guest of libvirt, to which all that happens: COMMAND is machine.py with its arguments. Else it is pretended.
//
// Prints one line {"port": N}; then each line of standard input is a command in JSON, answered by a line (control.go).
// The end of standard input ends it.
package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net/url"
	"os"
	"strings"

	"github.com/vmware/govmomi/simulator"
)

func die(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "vcenter:", err)
		os.Exit(1)
	}
}

func model(esx bool) *simulator.Model {
	if esx {
		return simulator.ESX()
	}
	return simulator.VPX()
}

func secret(path string) string {
	text, err := os.ReadFile(path)
	die(err)
	return strings.TrimSuffix(string(text), "\n")
}

func serve(m *simulator.Model, esx bool, cert, key, user, password string) *world {
	pair, err := tls.LoadX509KeyPair(cert, key)
	die(err)
	die(m.Create())
	m.Service.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	m.Service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(user, password)}
	w := newWorld()
	server := m.Service.NewServer()
	w.inner = server.Config.Handler
	w.host = server.URL.Host
	server.Config.Handler = w
	if !esx {
		w.leases.listen(w, pair)
	}
	return w
}

func main() {
	cert := flag.String("cert", "", "certificate")
	key := flag.String("key", "", "its key")
	esx := flag.Bool("esx", false, "a host instead of a vCenter")
	user := flag.String("user", "holdfast@vsphere.local", "who may log in")
	password := flag.String("password-file", "", "and by what")
	verbose := flag.Bool("verbose", false, "tell what the simulator tells")
	real := flag.String("real", "", "the VM that is a guest of libvirt, by the command of the arguments")
	flag.Parse()
	if !*verbose {
		log.SetOutput(io.Discard)
	}
	m := model(*esx)
	defer m.Remove()
	w := serve(m, *esx, *cert, *key, *user, secret(*password))
	if *real != "" {
		w.bind(*real, newReal(flag.Args()))
	}
	port := w.host[strings.LastIndex(w.host, ":")+1:]
	fmt.Printf("{\"port\": %s}\n", port)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		_ = out.Encode(w.command(lines.Bytes()))
	}
	w.guest.end()
	w.leases.end()
}
