// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const nfcPath = "/nfc/"

// HttpNfcLease is the object that the property collector reads.
type HttpNfcLease struct {
	mo.HttpNfcLease
}

type lease struct {
	obj      *HttpNfcLease
	vm       *simulator.VirtualMachine
	cookie   string // of the session that it dies with
	timeout  time.Duration
	deadline time.Time
	over     chan struct{} // closed: no stream of it goes on
	urls     map[string]string
	Percents []int  `json:"percents"`
	End      string `json:"end"` // completed, aborted, expired, failed; "": it is there
}

// leases: what a snapshot's disks are read by. Disks are files of this machine: a VM's are those of the command "disk", else empty ones;
// a snapshot has those that its VM had at the instant. A file is never written to: who changes a disk names another file.
type leases struct {
	mu     sync.Mutex
	all    []*lease
	files  map[string]map[int32]string // by VM or snapshot, and the device's key
	packed map[string]string           // of a file: as streamOptimized VMDK
	dir    string
	host   string // where hosts are, other than the server; "": the same
	n      int
}

func newLeases() *leases {
	dir, err := os.MkdirTemp("", "vcenter-")
	die(err)
	return &leases{files: map[string]map[int32]string{}, packed: map[string]string{}, dir: dir}
}

func (l *leases) end() { _ = os.RemoveAll(l.dir) }

// listen: a vCenter's hosts are elsewhere, and know nothing of its sessions.
func (l *leases) listen(w *world, pair tls.Certificate) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(res http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Cookie") != "" {
			w.violate("a host was shown the session of its vCenter")
		}
		l.serve(w, res, req)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	l.host = strings.TrimPrefix(server.URL, "https://")
}

// ---- a lease ----------------------------------------------------------------------------------------------------------

func (l *leases) find(ref types.ManagedObjectReference, cookie string) *lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, one := range l.all {
		if one.obj.Self == ref && one.End == "" && one.cookie == cookie {
			return one
		}
	}
	return nil
}

// finish ends a lease once, however that comes.
func (l *leases) finish(w *world, one *lease, how string) {
	l.mu.Lock()
	if one.End != "" {
		l.mu.Unlock()
		return
	}
	one.End = how
	l.mu.Unlock()
	close(one.over)
	if how != "failed" { // that one can be asked why
		simulator.Map.Remove(one.obj.Self)
	}
	m := w.machine(one.vm.Self)
	w.mu.Lock()
	m.running--
	w.mu.Unlock()
	w.mark(m, "lease "+how)
}

func (l *leases) expect(one *lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	one.deadline = time.Now().Add(one.timeout)
}

// open: as a task it keeps all others off the VM.
func (l *leases) open(w *world, rec *httptest.ResponseRecorder, name, cookie string, snap *simulator.VirtualMachineSnapshot) {
	vm := simulator.Map.Get(snap.Vm).(*simulator.VirtualMachine)
	m := w.machine(vm.Self)
	w.mu.Lock()
	denied, busy := w.privileges["VApp.Export"], m.running > 0
	if !denied && !busy {
		m.running++
	}
	w.mu.Unlock()
	if denied {
		writeFault(rec, "", &types.NoPermission{Object: vm.Self, PrivilegeId: "VApp.Export"})
		return
	}
	if busy {
		writeFault(rec, "The operation is not allowed in the current state.", &types.TaskInProgress{Task: vm.Self})
		return
	}
	timeout := 300 * time.Second
	if text, ok := w.look("lease-timeout", "*"); ok {
		timeout = seconds(text)
	}
	l.mu.Lock()
	l.n++
	one := &lease{vm: vm, cookie: cookie, timeout: timeout, over: make(chan struct{}), urls: map[string]string{}, Percents: []int{}}
	one.obj = &HttpNfcLease{}
	one.obj.Self = types.ManagedObjectReference{Type: "HttpNfcLease", Value: fmt.Sprintf("session[52de-%d]52a0-%d", l.n, l.n)}
	one.obj.State = types.HttpNfcLeaseStateInitializing
	one.deadline = time.Now().Add(time.Minute)
	l.all = append(l.all, one)
	l.mu.Unlock()
	simulator.Map.Put(one.obj)
	go l.live(w, one, snap)
	res := types.ExportSnapshotResponse{Returnval: one.obj.Self}
	writeResult(rec, name, &res)
}

func (l *leases) set(one *lease, f func()) { simulator.Map.WithLock(one.obj, f) }

func (l *leases) fail(w *world, one *lease, kind, text string) {
	l.set(one, func() {
		one.obj.Error = &types.LocalizedMethodFault{Fault: faultOf(kind), LocalizedMessage: text}
		one.obj.State = types.HttpNfcLeaseStateError
	})
	l.finish(w, one, "failed")
}

// live is its life: made ready, and ended when its time or its session is over.
func (l *leases) live(w *world, one *lease, snap *simulator.VirtualMachineSnapshot) {
	text, _ := w.look("seconds", "lease")
	time.Sleep(seconds(text))
	if kind, ok := w.take("lease-error", "*"); ok {
		l.fail(w, one, kind, "pretended "+kind)
		return
	}
	if _, never := w.look("never", "lease"); !never {
		info, err := l.info(w, one, snap)
		if err != nil {
			l.fail(w, one, "SystemError", err.Error())
			return
		}
		l.expect(one)
		l.set(one, func() { one.obj.Info, one.obj.State = info, types.HttpNfcLeaseStateReady })
	}
	for ; ; time.Sleep(10 * time.Millisecond) {
		w.mu.Lock()
		live := w.live[one.cookie]
		w.mu.Unlock()
		l.mu.Lock()
		over, late := one.End != "", time.Now().After(one.deadline)
		l.mu.Unlock()
		if _, now := w.take("lease-expires", "*"); now || late || !live {
			l.finish(w, one, "expired")
		}
		if over {
			return
		}
	}
}

func (l *leases) info(w *world, one *lease, snap *simulator.VirtualMachineSnapshot) (*types.HttpNfcLeaseInfo, error) {
	info := &types.HttpNfcLeaseInfo{Lease: one.obj.Self, Entity: one.vm.Self, LeaseTimeout: int32(one.timeout / time.Second)}
	host := "*"
	if l.host != "" {
		host = l.host
	}
	if text, ok := w.look("nfc-host", "*"); ok {
		host = text
	}
	devices := snap.Config.Hardware.Device
	for i, d := range disksOf(devices) {
		if !exported(d) {
			continue
		}
		file, err := w.snapshotDisk(one.vm, snap, d)
		if err != nil {
			return nil, err
		}
		n := i
		if _, same := w.look("nfc-same", "*"); same {
			n = 0
		}
		path := fmt.Sprintf("%s52a0-%d/disk-%d.vmdk", nfcPath, l.n, n)
		l.mu.Lock()
		one.urls[path] = file
		l.mu.Unlock()
		key := keyOf(devices, d)
		if text, ok := w.look("nfc-key", "*"); ok {
			key = text
		}
		info.DeviceUrl = append(info.DeviceUrl, types.HttpNfcLeaseDeviceUrl{Key: "/" + one.vm.Self.Value + "/" + key, ImportKey: "/" + one.vm.Name + "/" + key,
			Url: "https://" + host + path, SslThumbprint: strings.Repeat("AB:", 19) + "AB", Disk: types.NewBool(true), TargetId: fmt.Sprintf("disk-%d.vmdk", i)})
		info.TotalDiskCapacityInKB += d.CapacityInKB
	}
	nvram := types.HttpNfcLeaseDeviceUrl{Key: "/" + one.vm.Self.Value + "/nvram", ImportKey: "/" + one.vm.Name + "/nvram",
		Url: "https://" + host + nfcPath + "nvram", Disk: types.NewBool(false), TargetId: "nvram", FileSize: 8684}
	info.DeviceUrl = append([]types.HttpNfcLeaseDeviceUrl{nvram}, info.DeviceUrl...)
	return info, nil
}

// ---- its methods --------------------------------------------------------------------------------------------------------

func (l *leases) own(w *world, rec *httptest.ResponseRecorder, req *http.Request, method *simulator.Method) bool {
	cookie := ""
	if c, err := req.Cookie(cookieName); err == nil {
		cookie = c.Value
	}
	if _, ok := method.Body.(*types.ExportSnapshot); ok {
		snap, is := simulator.Map.Get(method.This).(*simulator.VirtualMachineSnapshot)
		if !is {
			return gone(rec, method.This)
		}
		l.open(w, rec, method.Name, cookie, snap)
		return true
	}
	if method.This.Type != "HttpNfcLease" {
		return false
	}
	one := l.find(method.This, cookie)
	if one == nil {
		return gone(rec, method.This)
	}
	switch m := method.Body.(type) {
	case *types.HttpNfcLeaseProgress:
		l.progress(w, rec, one, method.Name, int(m.Percent))
	case *types.HttpNfcLeaseComplete:
		l.finish(w, one, "completed")
		writeResult(rec, method.Name, &types.HttpNfcLeaseCompleteResponse{})
	case *types.HttpNfcLeaseAbort:
		l.finish(w, one, "aborted")
		writeResult(rec, method.Name, &types.HttpNfcLeaseAbortResponse{})
	default:
		return false
	}
	return true
}

func (l *leases) progress(w *world, rec *httptest.ResponseRecorder, one *lease, name string, percent int) {
	if one.obj.State != types.HttpNfcLeaseStateReady {
		writeFault(rec, "", &types.InvalidState{})
		return
	}
	l.mu.Lock()
	last := 0
	if n := len(one.Percents); n > 0 {
		last = one.Percents[n-1]
	}
	one.Percents = append(one.Percents, percent)
	l.mu.Unlock()
	if percent < last || percent > 100 {
		w.violate("the progress of a lease is %d after %d", percent, last)
	}
	l.expect(one)
	writeResult(rec, name, &types.HttpNfcLeaseProgressResponse{})
}

// told is what the tests see of the leases.
func (l *leases) told() []lease {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := []lease{}
	for _, one := range l.all {
		all = append(all, lease{Percents: append([]int{}, one.Percents...), End: one.End})
	}
	return all
}
