// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// fault is a switch: after the next `skip` the next `times` calls of the method (or what the switch is about) meet it; below 0: all.
type fault struct {
	value       string
	times, skip int
}

func (w *world) take(kind, about string) (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, key := range []string{kind + " " + about, kind + " *"} {
		f := w.faults[key]
		if f == nil || f.times == 0 {
			continue
		}
		if f.skip > 0 {
			f.skip--
			continue
		}
		f.times--
		return f.value, true
	}
	return "", false
}

// look reads a switch and leaves it as it is.
func (w *world) look(kind, about string) (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.faults[kind+" "+about]
	if f == nil || f.times == 0 {
		return "", false
	}
	return f.value, true
}

func seconds(text string) time.Duration {
	var s float64
	fmt.Sscan(text, &s)
	return time.Duration(s * float64(time.Second))
}

// command: {"op": …} of the test that drives this.
type command struct {
	Op    string                 `json:"op"`
	Kind  string                 `json:"kind"`
	About string                 `json:"about"`
	Value string                 `json:"value"`
	Times int                    `json:"times"`
	Skip  int                    `json:"skip"`
	VM    string                 `json:"vm"`
	Key   int32                  `json:"key"`
	Set   map[string]interface{} `json:"set"`
}

func (w *world) command(line []byte) interface{} {
	var c command
	if err := json.Unmarshal(line, &c); err != nil {
		return map[string]string{"error": err.Error()}
	}
	switch c.Op {
	case "fault":
		w.mu.Lock()
		w.faults[c.Kind+" "+c.About] = &fault{c.Value, c.Times, c.Skip}
		w.mu.Unlock()
	case "log":
		w.mu.Lock()
		defer w.mu.Unlock()
		return map[string]interface{}{"requests": w.requests, "violations": w.violations, "sessions": len(w.live), "leases": w.leases.told()}
	case "disk": // the disk number `times` of the VM is this file, with the mode `kind`
		vm := findVM(c.VM)
		if vm == nil {
			return map[string]string{"error": "no VM " + c.VM}
		}
		if err := w.leases.setDisk(vm, c.Times, c.Value, c.Kind); err != nil {
			return map[string]string{"error": err.Error()}
		}
	case "vm":
		return w.state(c.VM)
	case "snapshot": // by somebody else
		w.create(findVM(c.VM), &types.CreateSnapshot_Task{Name: c.Value, Description: "by hand"})
	case "snapshot-disk":
		return w.fileOf(c)
	case "change":
		if err := w.change(c.VM, c.Set); err != nil {
			return map[string]string{"error": err.Error()}
		}
	case "unregister":
		unregister(c.VM)
	case "expire":
		w.mu.Lock()
		w.live = map[string]bool{}
		w.mu.Unlock()
	case "restart":
		w.restart(seconds(c.Value))
	case "calm": // no switch any more, and the server is there
		w.mu.Lock()
		w.faults, w.away = map[string]*fault{}, time.Time{}
		w.mu.Unlock()
	case "forget-tasks":
		w.forgetTasks()
	case "deny":
		w.mu.Lock()
		w.privileges[c.Value] = true
		w.mu.Unlock()
	case "versions":
		w.mu.Lock()
		w.versions = c.Value
		w.mu.Unlock()
	default:
		return map[string]string{"error": "no op " + c.Op}
	}
	return map[string]string{}
}

// restart: nobody is there for a while, and no session and no task is known afterwards; hosts work on.
func (w *world) restart(d time.Duration) {
	w.mu.Lock()
	w.away = time.Now().Add(d)
	w.live = map[string]bool{}
	w.mu.Unlock()
	w.forgetTasks()
}

func (w *world) forgetTasks() {
	var all []types.ManagedObjectReference
	for _, vm := range simulator.Map.All("VirtualMachine") {
		v := vm.(*simulator.VirtualMachine)
		all = append(all, v.RecentTask...)
		simulator.Map.Update(v, []types.PropertyChange{{Name: "recentTask", Val: []types.ManagedObjectReference{}}})
	}
	for _, ref := range all {
		simulator.Map.Remove(ref)
	}
}

func findVM(name string) *simulator.VirtualMachine {
	for _, e := range simulator.Map.All("VirtualMachine") {
		if e.Entity().Name == name || e.Reference().Value == name {
			return e.(*simulator.VirtualMachine)
		}
	}
	return nil
}

func (w *world) state(name string) interface{} {
	vm := findVM(name)
	if vm == nil {
		return map[string]string{"error": "no VM " + name}
	}
	out := map[string]interface{}{"moid": vm.Self.Value, "power": string(vm.Runtime.PowerState), "uuid": vm.Config.InstanceUuid,
		"bios": vm.Config.Uuid}
	m := w.machine(vm.Self)
	w.mu.Lock()
	defer w.mu.Unlock()
	out["data"], out["running"] = m.data, m.running
	snaps := []map[string]interface{}{}
	var walk func(list []types.VirtualMachineSnapshotTree, parent string)
	walk = func(list []types.VirtualMachineSnapshotTree, parent string) {
		for _, s := range list {
			snaps = append(snaps, map[string]interface{}{"id": s.Snapshot.Value, "name": s.Name, "description": s.Description,
				"parent": parent, "quiesced": s.Quiesced, "data": m.snaps[s.Snapshot.Value]})
			walk(s.ChildSnapshotList, s.Name)
		}
	}
	if vm.Snapshot != nil {
		walk(vm.Snapshot.RootSnapshotList, "")
	}
	out["snapshots"] = snaps
	out["timeline"] = m.timeline
	return out
}

// fileOf: a file with a disk, by its device's key, of a snapshot, whose id is the value.
func (w *world) fileOf(c command) map[string]string {
	ref := types.ManagedObjectReference{Type: "VirtualMachineSnapshot", Value: c.Value}
	snap, ok := simulator.Map.Get(ref).(*simulator.VirtualMachineSnapshot)
	if !ok {
		return map[string]string{"error": "no snapshot " + c.Value}
	}
	for _, disk := range disksOf(snap.Config.Hardware.Device) {
		if disk.Key != c.Key {
			continue
		}
		path, err := w.snapshotDisk(findVM(c.VM), snap, disk)
		if err != nil {
			return map[string]string{"error": err.Error()}
		}
		return map[string]string{"path": path}
	}
	return map[string]string{"error": fmt.Sprintf("no disk %d", c.Key)}
}

// change sets what an administrator, or fate, changes about a VM.
func (w *world) change(name string, set map[string]interface{}) error {
	vm := findVM(name)
	if vm == nil {
		return fmt.Errorf("no VM %s", name)
	}
	var changes []types.PropertyChange
	put := func(path string, value interface{}) {
		changes = append(changes, types.PropertyChange{Name: path, Val: value})
	}
	for key, value := range set {
		text := fmt.Sprint(value)
		switch key {
		case "name":
			put("name", text)
			put("config.name", text)
			put("summary.config.name", text)
		case "instance-uuid":
			put("config.instanceUuid", text)
			put("summary.config.instanceUuid", text)
		case "connection":
			put("runtime.connectionState", types.VirtualMachineConnectionState(text))
		case "template":
			put("config.template", value.(bool))
			put("summary.config.template", value.(bool))
		case "consolidation":
			setConsolidation(vm, value.(bool))
		case "tools":
			put("guest.toolsRunningStatus", text)
			vm.Guest.GuestOperationsReady = types.NewBool(text == "guestToolsRunning")
		case "power":
			w.setPower(vm, types.VirtualMachinePowerState(text))
		case "data":
			m := w.machine(vm.Self)
			w.mu.Lock()
			m.data = int(value.(float64))
			w.mu.Unlock()
		case "disk-mode":
			w.eachDisk(vm, func(b *types.VirtualDiskFlatVer2BackingInfo) { b.DiskMode = text })
		case "device":
			w.addDevice(vm, text)
		case "free":
			w.setFree(vm, int64(value.(float64)))
		default:
			if !setConfig(vm, key, value) {
				return fmt.Errorf("no key %s", key)
			}
		}
	}
	simulator.Map.Update(vm, changes)
	return nil
}

// setConsolidation: the simulator cannot update what is behind a pointer.
func setConsolidation(vm *simulator.VirtualMachine, needed bool) {
	simulator.Map.WithLock(vm, func() { vm.Runtime.ConsolidationNeeded = types.NewBool(needed) })
}

func (w *world) eachDisk(vm *simulator.VirtualMachine, f func(*types.VirtualDiskFlatVer2BackingInfo)) {
	for _, d := range vm.Config.Hardware.Device {
		if disk, ok := d.(*types.VirtualDisk); ok {
			if b, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok {
				f(b)
			}
		}
	}
}

// addDevice: what refuses a snapshot, or is not in one.
func (w *world) addDevice(vm *simulator.VirtualMachine, kind string) {
	var device types.BaseVirtualDevice
	disk := &types.VirtualDisk{CapacityInKB: 1 << 20, CapacityInBytes: 1 << 30}
	disk.Key, disk.ControllerKey, disk.UnitNumber = 2099, 1000, types.NewInt32(9)
	switch {
	case strings.HasPrefix(kind, "rdm-"):
		mode := "virtualMode"
		if kind == "rdm-physical" {
			mode = "physicalMode"
		}
		b := &types.VirtualDiskRawDiskMappingVer1BackingInfo{CompatibilityMode: mode, DeviceName: "vml.0200"}
		b.FileName, b.DiskMode = "[LocalDS_0] rdm/rdm.vmdk", "persistent"
		disk.Backing = b
		device = disk
	case kind == "passthrough":
		p := &types.VirtualPCIPassthrough{}
		p.Key = 13000
		device = p
	case kind == "sharing":
		c := &types.ParaVirtualSCSIController{}
		c.Key, c.BusNumber, c.SharedBus = 1001, 1, types.VirtualSCSISharingPhysicalSharing
		device = c
	case kind == "multi-writer":
		b := &types.VirtualDiskFlatVer2BackingInfo{DiskMode: "persistent", Sharing: "sharingMultiWriter"}
		b.FileName = "[LocalDS_0] shared/shared.vmdk"
		disk.Backing = b
		device = disk
	}
	simulator.Map.Update(vm, []types.PropertyChange{{Name: "config.hardware.device",
		Val: append(append([]types.BaseVirtualDevice{}, vm.Config.Hardware.Device...), device)}})
}

func (w *world) setFree(vm *simulator.VirtualMachine, bytes int64) {
	for _, ref := range vm.Datastore {
		ds := simulator.Map.Get(ref).(*simulator.Datastore)
		simulator.Map.Update(ds, []types.PropertyChange{{Name: "summary.freeSpace", Val: bytes}})
	}
}
