// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// setConfig sets what a definition tells of a VM; false: no such key.
func setConfig(vm *simulator.VirtualMachine, key string, value interface{}) bool {
	known := true
	number := func() int32 { return int32(value.(float64)) }
	simulator.Map.WithLock(vm, func() {
		switch key {
		case "annotation":
			vm.Config.Annotation = fmt.Sprint(value)
		case "cpus":
			vm.Config.Hardware.NumCPU = number()
		case "cores":
			vm.Config.Hardware.NumCoresPerSocket = number()
		case "memory":
			vm.Config.Hardware.MemoryMB = number()
		case "firmware":
			vm.Config.Firmware = fmt.Sprint(value)
		case "secure-boot":
			vm.Config.BootOptions = &types.VirtualMachineBootOptions{EfiSecureBootEnabled: types.NewBool(value.(bool))}
		case "secret": // that a program keeps there
			vm.Config.ExtraConfig = append(vm.Config.ExtraConfig, &types.OptionValue{Key: "guestinfo.password", Value: fmt.Sprint(value)})
			property := types.VAppPropertyInfo{Id: "password", DefaultValue: fmt.Sprint(value)}
			vm.Config.VAppConfig = &types.VmConfigInfo{Property: []types.VAppPropertyInfo{property}}
		case "guest-ready": // for operations in it
			vm.Guest.GuestOperationsReady = types.NewBool(value.(bool))
		default:
			known = false
		}
	})
	return known
}
