// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

// machine is what the simulator does not know of a VM. data stands for all that its disks hold; a real guest
// takes the place of it at the instant, the revert and the power.
type machine struct {
	real     *realGuest // or nil
	data     int
	snaps    map[string]int // by the snapshot's id
	running  int            // tasks
	timeline []event
}

type event struct {
	At   float64 `json:"at"`
	Ns   int64   `json:"ns"` // the same, since 1970
	What string  `json:"what"`
}

func (w *world) machine(ref types.ManagedObjectReference) *machine {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.machines[ref.Value] == nil {
		w.machines[ref.Value] = &machine{data: 1, snaps: map[string]int{}}
	}
	return w.machines[ref.Value]
}

func (w *world) mark(m *machine, what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	m.timeline = append(m.timeline, event{now(), time.Now().UnixNano(), what})
}

// keep: what stands on the disks at this instant, as a number.
func (w *world) keep(m *machine, quiesce bool) (int, types.BaseMethodFault) {
	if m.real == nil {
		w.mark(m, "instant")
		w.mu.Lock()
		defer w.mu.Unlock()
		return m.data, nil
	}
	text, _ := w.look("seconds", "stun")
	data, k, err := m.real.keep(seconds(text).Seconds(), quiesce)
	if err != nil {
		return 0, broken(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	m.timeline = append(m.timeline, event{now(), k.AtNs, "instant"}, event{now(), k.RanNs, "ran again"})
	if k.Frozen {
		m.timeline = append(m.timeline, event{now(), k.AtNs, "frozen"})
	}
	return data, nil
}

func (w *world) drop(m *machine, id string) types.BaseMethodFault {
	w.mu.Lock()
	data := m.snaps[id]
	delete(m.snaps, id)
	w.mu.Unlock()
	if m.real == nil {
		return nil
	}
	return broken(m.real.drop(data))
}

func (w *world) putBack(m *machine, id string) types.BaseMethodFault {
	w.mu.Lock()
	data := m.snaps[id]
	m.data = data
	w.mu.Unlock()
	if m.real == nil {
		return nil
	}
	return broken(m.real.putBack(data))
}

// broken is nil when nothing is.
func broken(err error) types.BaseMethodFault {
	if err == nil {
		return nil
	}
	fmt.Fprintln(os.Stderr, "vcenter:", err)
	return &types.GenericVmConfigFault{Reason: err.Error()}
}

func (w *world) setPower(vm *simulator.VirtualMachine, state types.VirtualMachinePowerState) {
	simulator.Map.Update(vm, []types.PropertyChange{{Name: "runtime.powerState", Val: state},
		{Name: "summary.runtime.powerState", Val: state}})
}

type job func() (types.AnyType, types.BaseMethodFault)

// begin makes a task that runs for the time of the switch "seconds NAME", and for ever with "never".
func (w *world) begin(vm *simulator.VirtualMachine, name string, work job) types.ManagedObjectReference {
	m := w.machine(vm.Self)
	task := simulator.CreateTask(vm, name, nil)
	w.mu.Lock()
	busy := m.running > 0
	m.running++
	w.mu.Unlock()
	simulator.Map.Update(task, []types.PropertyChange{{Name: "info.state", Val: types.TaskInfoStateRunning},
		{Name: "info.startTime", Val: time.Now()}, {Name: "info.progress", Val: int32(0)}})
	simulator.Map.Update(vm, []types.PropertyChange{{Name: "recentTask",
		Val: append(append([]types.ManagedObjectReference{}, vm.RecentTask...), task.Self)}})
	go w.run(m, task, name, busy, work)
	return task.Self
}

func (w *world) run(m *machine, task *simulator.Task, name string, busy bool, work job) {
	var result types.AnyType
	var fault types.BaseMethodFault
	if busy {
		fault = &types.TaskInProgress{Task: task.Self}
	} else {
		text, _ := w.look("seconds", name)
		lasts := seconds(text) + 5*time.Millisecond
		w.progress(task, lasts)
		for {
			if _, ok := w.look("never", name); !ok {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		if kind, ok := w.take("task-fault", name); ok {
			fault = faultOf(kind)
		} else if kind, ok := w.take("lost-sight", name); ok { // vCenter gives it up, the host ends it
			fault = faultOf(kind)
			time.AfterFunc(2*time.Second, func() { work() })
		} else if text, ok := w.take("early", name); ok { // told as done before it is
			time.AfterFunc(seconds(text), func() { work() })
		} else {
			result, fault = work()
		}
	}
	w.mu.Lock()
	m.running--
	w.mu.Unlock()
	w.mark(m, name+" ended")
	w.finish(task, result, fault)
}

// progress: a server tells of each percent.
func (w *world) progress(task *simulator.Task, lasts time.Duration) {
	const step = 100 * time.Millisecond
	for percent := int32(1); lasts > step; percent, lasts = percent+1, lasts-step {
		time.Sleep(step)
		simulator.Map.Update(task, []types.PropertyChange{{Name: "info.progress", Val: percent % 100}})
	}
	time.Sleep(lasts)
}

func (w *world) finish(task *simulator.Task, result types.AnyType, fault types.BaseMethodFault) {
	changes := []types.PropertyChange{{Name: "info.completeTime", Val: time.Now()}}
	if fault != nil {
		changes = append(changes, types.PropertyChange{Name: "info.error", Val: types.LocalizedMethodFault{Fault: fault,
			LocalizedMessage: fmt.Sprintf("pretended: %T", fault)}},
			types.PropertyChange{Name: "info.state", Val: types.TaskInfoStateError})
	} else {
		changes = append(changes, types.PropertyChange{Name: "info.result", Val: result},
			types.PropertyChange{Name: "info.state", Val: types.TaskInfoStateSuccess})
	}
	simulator.Map.Update(task, changes)
}

func inner(ref types.ManagedObjectReference) (types.AnyType, types.BaseMethodFault) {
	t := simulator.Map.Get(ref).(*simulator.Task)
	defer simulator.Map.Remove(ref)
	if t.Info.Error != nil {
		return nil, t.Info.Error.Fault
	}
	return t.Info.Result, nil
}

// patch changes the entry of a snapshot in the tree to what a real server tells.
func patch(list []types.VirtualMachineSnapshotTree, id string, f func(*types.VirtualMachineSnapshotTree)) {
	for i := range list {
		if list[i].Snapshot.Value == id {
			f(&list[i])
		}
		patch(list[i].ChildSnapshotList, id, f)
	}
}

func (w *world) create(vm *simulator.VirtualMachine, req *types.CreateSnapshot_Task) types.ManagedObjectReference {
	m := w.machine(vm.Self)
	return w.begin(vm, "createSnapshot", func() (result types.AnyType, fault types.BaseMethodFault) {
		data, fault := w.keep(m, req.Quiesce)
		if fault != nil {
			return nil, fault
		}
		files := w.leases.now(vm)
		simulator.Map.WithLock(vm, func() {
			body := vm.CreateSnapshotTask(req).(*methods.CreateSnapshot_TaskBody)
			result, fault = inner(body.Res.Returnval)
		})
		if fault != nil {
			return nil, fault
		}
		id := result.(types.ManagedObjectReference).Value
		_, ignored := w.take("quiesce-ignored", "createSnapshot")
		patch(vm.Snapshot.RootSnapshotList, id, func(s *types.VirtualMachineSnapshotTree) {
			s.Quiesced = req.Quiesce && !ignored
			if !req.Memory {
				s.State = types.VirtualMachinePowerStatePoweredOff
			}
		})
		w.mu.Lock()
		m.snaps[id] = data
		w.mu.Unlock()
		w.leases.instant(id, files)
		return result, nil
	})
}

func (w *world) remove(s *simulator.VirtualMachineSnapshot, req *types.RemoveSnapshot_Task) types.ManagedObjectReference {
	vm := simulator.Map.Get(s.Vm).(*simulator.VirtualMachine)
	return w.begin(vm, "removeSnapshot", func() (types.AnyType, types.BaseMethodFault) {
		if simulator.Map.Get(s.Self) == nil {
			return nil, &types.ManagedObjectNotFound{Obj: s.Self}
		}
		if fault := w.drop(w.machine(vm.Self), s.Self.Value); fault != nil {
			return nil, fault
		}
		ctx := &simulator.Context{Context: context.Background(), Map: simulator.Map}
		_, fault := inner(s.RemoveSnapshotTask(ctx, req).(*methods.RemoveSnapshot_TaskBody).Res.Returnval)
		if _, ok := w.take("leaves-deltas", "removeSnapshot"); ok {
			setConsolidation(vm, true)
		}
		return nil, fault
	})
}

// revert leaves a VM without its memory off, as a real server does.
func (w *world) revert(s *simulator.VirtualMachineSnapshot, req *types.RevertToSnapshot_Task) types.ManagedObjectReference {
	vm := simulator.Map.Get(s.Vm).(*simulator.VirtualMachine)
	m := w.machine(vm.Self)
	return w.begin(vm, "revertToSnapshot", func() (types.AnyType, types.BaseMethodFault) {
		if fault := w.putBack(m, s.Self.Value); fault != nil {
			return nil, fault
		}
		_, fault := inner(s.RevertToSnapshotTask(req).(*methods.RevertToSnapshot_TaskBody).Res.Returnval)
		w.setPower(vm, types.VirtualMachinePowerStatePoweredOff)
		return nil, fault
	})
}

func (w *world) power(vm *simulator.VirtualMachine, name string, to types.VirtualMachinePowerState) types.ManagedObjectReference {
	return w.begin(vm, name, func() (types.AnyType, types.BaseMethodFault) {
		if vm.Runtime.PowerState == to {
			return nil, &types.InvalidPowerState{RequestedState: to, ExistingState: to}
		}
		if m := w.machine(vm.Self); m.real != nil {
			if fault := broken(m.real.power(to == types.VirtualMachinePowerStatePoweredOn)); fault != nil {
				return nil, fault
			}
		}
		w.setPower(vm, to)
		return nil, nil
	})
}

func (w *world) consolidate(vm *simulator.VirtualMachine) types.ManagedObjectReference {
	return w.begin(vm, "consolidateDisks", func() (types.AnyType, types.BaseMethodFault) {
		if _, ok := w.take("no-consolidation", "*"); !ok {
			setConsolidation(vm, false)
		}
		return nil, nil
	})
}

func gone(rec *httptest.ResponseRecorder, ref types.ManagedObjectReference) bool {
	writeFault(rec, "The object '"+ref.Type+":"+ref.Value+"' has already been deleted or has not been completely created",
		&types.ManagedObjectNotFound{Obj: ref})
	return true
}

func rename(list []types.VirtualMachineSnapshotTree, req *types.RenameSnapshot) {
	patch(list, req.This.Value, func(s *types.VirtualMachineSnapshotTree) {
		if req.Name != "" {
			s.Name = req.Name
		}
		if req.Description != "" {
			s.Description = req.Description
		}
	})
}

// own: the methods that the simulator does not have, or has too simply. False: ask it.
func (w *world) own(rec *httptest.ResponseRecorder, req *http.Request, method *simulator.Method) bool {
	if w.ownIndex(rec, method) || w.pageOrGuest(rec, req, method) || w.leases.own(w, rec, req, method) {
		return true
	}
	obj := simulator.Map.Get(method.This)
	vm, _ := obj.(*simulator.VirtualMachine)
	snap, _ := obj.(*simulator.VirtualMachineSnapshot)
	if obj == nil && (method.This.Type == "VirtualMachine" || method.This.Type == "VirtualMachineSnapshot" || method.This.Type == "Task") {
		return gone(rec, method.This)
	}
	switch m := method.Body.(type) {
	case *types.CreateSnapshot_Task:
		writeResult(rec, method.Name, &types.CreateSnapshot_TaskResponse{Returnval: w.create(vm, m)})
	case *types.RemoveSnapshot_Task:
		writeResult(rec, method.Name, &types.RemoveSnapshot_TaskResponse{Returnval: w.remove(snap, m)})
	case *types.RevertToSnapshot_Task:
		writeResult(rec, method.Name, &types.RevertToSnapshot_TaskResponse{Returnval: w.revert(snap, m)})
	case *types.PowerOnVM_Task:
		writeResult(rec, method.Name, &types.PowerOnVM_TaskResponse{Returnval: w.power(vm, "powerOn", types.VirtualMachinePowerStatePoweredOn)})
	case *types.PowerOffVM_Task:
		writeResult(rec, method.Name, &types.PowerOffVM_TaskResponse{Returnval: w.power(vm, "powerOff", types.VirtualMachinePowerStatePoweredOff)})
	case *types.ConsolidateVMDisks_Task:
		writeResult(rec, method.Name, &types.ConsolidateVMDisks_TaskResponse{Returnval: w.consolidate(vm)})
	case *types.RenameSnapshot:
		rename(simulator.Map.Get(snap.Vm).(*simulator.VirtualMachine).Snapshot.RootSnapshotList, m)
		writeResult(rec, method.Name, &types.RenameSnapshotResponse{})
	case *types.CancelTask:
		w.violate("a task was cancelled")
		return false
	case *types.HasPrivilegeOnEntities:
		writeResult(rec, method.Name, &types.HasPrivilegeOnEntitiesResponse{Returnval: w.granted(m)})
	default:
		return false
	}
	return true
}

func (w *world) granted(m *types.HasPrivilegeOnEntities) []types.EntityPrivilege {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []types.EntityPrivilege
	for _, e := range m.Entity {
		p := types.EntityPrivilege{Entity: e}
		for _, id := range m.PrivId {
			p.PrivAvailability = append(p.PrivAvailability, types.PrivilegeAvailability{PrivId: id, IsGranted: !w.privileges[id]})
		}
		all = append(all, p)
	}
	return all
}
