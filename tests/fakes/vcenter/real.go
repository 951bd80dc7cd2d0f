// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

const firstDiskKey = 2000

// realGuest is a guest of libvirt that stands behind the VM (machine.py): its snapshots, its power, and what runs in it.
type realGuest struct {
	mu      sync.Mutex
	process *exec.Cmd
	in      io.WriteCloser
	last    int
	waiting map[int]chan reply
	made    int // snapshots

	Name  string  `json:"name"`
	Bytes []int64 `json:"bytes"` // of each disk
}

type reply struct {
	ID     int             `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  string          `json:"error"`
}

type args map[string]interface{}

func newReal(command []string) *realGuest {
	r := &realGuest{process: exec.Command(command[0], command[1:]...), waiting: map[int]chan reply{}}
	r.process.Stderr = os.Stderr
	in, err := r.process.StdinPipe()
	die(err)
	out, err := r.process.StdoutPipe()
	die(err)
	die(r.process.Start())
	r.in = in
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 128<<20)
	if !lines.Scan() {
		die(errors.New("no guest"))
	}
	die(json.Unmarshal(lines.Bytes(), r))
	go r.listen(lines)
	return r
}

func (r *realGuest) listen(lines *bufio.Scanner) {
	for lines.Scan() {
		var said reply
		if json.Unmarshal(lines.Bytes(), &said) != nil {
			continue
		}
		r.mu.Lock()
		if c := r.waiting[said.ID]; c != nil {
			c <- said
		}
		delete(r.waiting, said.ID)
		r.mu.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.waiting {
		c <- reply{Error: "the guest's helper has ended"}
	}
	r.waiting = nil
}

// ask waits for what the helper answers.
func (r *realGuest) ask(op string, with args, out interface{}) error {
	r.mu.Lock()
	if r.waiting == nil {
		r.mu.Unlock()
		return errors.New("the guest's helper has ended")
	}
	if with == nil {
		with = args{}
	}
	r.last++
	c := make(chan reply, 1)
	r.waiting[r.last] = c
	with["id"], with["op"] = r.last, op
	line, err := json.Marshal(with)
	if err == nil {
		_, err = r.in.Write(append(line, '\n'))
	}
	r.mu.Unlock()
	if err != nil {
		return err
	}
	said := <-c
	if said.Error != "" {
		return meaning(said.Error)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(said.Result, out)
}

// meaning: what the words of an agent say about a file.
func meaning(text string) error {
	switch {
	case strings.Contains(text, "ermission denied"):
		return os.ErrPermission
	case strings.Contains(text, "No such file"), strings.Contains(text, "Is a directory"), strings.Contains(text, "Not a directory"):
		return os.ErrNotExist
	}
	return errors.New(text)
}

func (r *realGuest) end() {
	_ = r.in.Close()
	_ = r.process.Wait()
}

// ---- disks and power

type kept struct {
	AtNs  int64 `json:"at_ns"`  // all disks are kept
	RanNs int64 `json:"ran_ns"` // and the guest runs again

	Frozen bool `json:"frozen"` // its file systems were, meanwhile
}

func named(number int) string { return fmt.Sprintf("vc%d", number) }

// keep makes a snapshot of all disks: its number.
func (r *realGuest) keep(stun float64, quiesce bool) (int, kept, error) {
	r.mu.Lock()
	r.made++
	number := r.made
	r.mu.Unlock()
	var k kept
	err := r.ask("keep", args{"name": named(number), "stun": stun, "quiesce": quiesce}, &k)
	return number, k, err
}

func (r *realGuest) drop(number int) error { return r.ask("drop", args{"name": named(number)}, nil) }

func (r *realGuest) putBack(number int) error {
	return r.ask("put_back", args{"name": named(number)}, nil)
}

func (r *realGuest) power(on bool) error { return r.ask("power", args{"on": on}, nil) }

// realDisk is a raw file with what that disk of the guest holds in the snapshot.
func (w *world) realDisk(m *machine, snapshot string, key int32) (string, error) {
	w.mu.Lock()
	number, ok := m.snaps[snapshot]
	w.mu.Unlock()
	if !ok {
		return "", os.ErrNotExist
	}
	var path string
	err := m.real.ask("disk", args{"name": named(number), "disk": key - firstDiskKey}, &path)
	return path, err
}

// bind makes that guest the VM of this name: its name, and as many disks of such sizes.
func (w *world) bind(name string, r *realGuest) {
	vm := findVM(name)
	w.machine(vm.Self).real = r
	w.guest.system = r
	var devices []types.BaseVirtualDevice
	var disk *types.VirtualDisk
	for _, d := range vm.Config.Hardware.Device {
		if found, ok := d.(*types.VirtualDisk); ok {
			disk = found
		} else {
			devices = append(devices, d)
		}
	}
	for i, bytes := range r.Bytes {
		devices = append(devices, diskOf(disk, r.Name, int32(i), bytes))
	}
	simulator.Map.Update(vm, []types.PropertyChange{{Name: "config.hardware.device", Val: devices}})
	die(w.change(name, map[string]interface{}{"name": r.Name, "tools": "guestToolsRunning", "power": "poweredOn"}))
}

// diskOf: one more like the one that the simulator gave the VM.
func diskOf(like *types.VirtualDisk, name string, i int32, bytes int64) *types.VirtualDisk {
	disk := *like
	flat := *like.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
	store := flat.FileName[:strings.Index(flat.FileName, "]")+1]
	flat.FileName = fmt.Sprintf("%s %s/%s_%d.vmdk", store, name, name, i)
	flat.Uuid = fmt.Sprintf("6000c290-0000-4000-8000-%012x", i)
	flat.Parent = nil
	disk.Backing = &flat
	disk.Key, disk.UnitNumber = firstDiskKey+i, types.NewInt32(*like.UnitNumber+i)
	disk.CapacityInBytes, disk.CapacityInKB = bytes, bytes>>10
	return &disk
}

// ---- its operating system

func (r *realGuest) alive() bool {
	var is bool
	return r.ask("alive", nil, &is) == nil && is
}

func (r *realGuest) start(words string) (int64, error) {
	var pid int64
	err := r.ask("start", args{"words": words}, &pid)
	return pid, err
}

func (r *realGuest) poll(pid int64) (int32, bool) {
	var status *int32
	if r.ask("poll", args{"pid": pid}, &status) != nil || status == nil {
		return 0, false
	}
	return *status, true
}

func (r *realGuest) kill(pid int64) { _ = r.ask("kill", args{"pid": pid}, nil) }

func (r *realGuest) size(path string) (int64, error) {
	var bytes int64
	err := r.ask("size", args{"path": path}, &bytes)
	return bytes, err
}

func (r *realGuest) read(path string) ([]byte, error) {
	var data []byte
	err := r.ask("read", args{"path": path}, &data)
	return data, err
}

func (r *realGuest) takes(path string) error { return r.ask("takes", args{"path": path}, nil) }

func (r *realGuest) write(path string, data []byte) error {
	return r.ask("write", args{"path": path, "data": data}, nil)
}

func (r *realGuest) makeDir(prefix, suffix string) (string, error) {
	var dir string
	err := r.ask("make_dir", args{"prefix": prefix, "suffix": suffix}, &dir)
	return dir, err
}

func (r *realGuest) removeDir(path string) error {
	return r.ask("remove_dir", args{"path": path}, nil)
}
