// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http/httptest"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// isHidden: the user has no right to see it (the switch "hidden MOID").
func (w *world) isHidden(ref types.ManagedObjectReference) bool {
	_, ok := w.look("hidden", ref.Value)
	return ok && ref.Type == "VirtualMachine"
}

// unregister: it is not in the inventory any more, whatever becomes of its files.
func unregister(name string) {
	if vm := findVM(name); vm != nil {
		simulator.Map.Remove(vm.Self)
	}
}

// findAll: of every VM that is shown.
func (w *world) findAll(m *types.FindAllByUuid) []types.ManagedObjectReference {
	var found []types.ManagedObjectReference
	for _, e := range simulator.Map.All("VirtualMachine") {
		vm := e.(*simulator.VirtualMachine)
		uuid := vm.Config.Uuid
		if m.InstanceUuid != nil && *m.InstanceUuid {
			uuid = vm.Config.InstanceUuid
		}
		if m.VmSearch && uuid == m.Uuid && !w.isHidden(vm.Self) {
			found = append(found, vm.Self)
		}
	}
	return found
}

// ownIndex: what is found, and what is shown of it. False: none of these.
func (w *world) ownIndex(rec *httptest.ResponseRecorder, method *simulator.Method) bool {
	switch m := method.Body.(type) {
	case *types.FindAllByUuid:
		writeResult(rec, method.Name, &types.FindAllByUuidResponse{Returnval: w.findAll(m)})
		return true
	case *types.RetrievePropertiesEx:
		for _, spec := range m.SpecSet {
			for _, o := range spec.ObjectSet {
				if w.isHidden(o.Obj) {
					writeFault(rec, "Permission to perform this operation was denied.",
						&types.NoPermission{Object: o.Obj, PrivilegeId: "System.View"})
					return true
				}
			}
		}
	}
	return false
}
