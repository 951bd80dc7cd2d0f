// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

func disksOf(devices []types.BaseVirtualDevice) []*types.VirtualDisk {
	var all []*types.VirtualDisk
	for _, d := range devices {
		if disk, ok := d.(*types.VirtualDisk); ok {
			all = append(all, disk)
		}
	}
	return all
}

// exported: what a snapshot has.
func exported(d *types.VirtualDisk) bool {
	switch b := d.Backing.(type) {
	case *types.VirtualDiskFlatVer2BackingInfo:
		return !strings.HasPrefix(b.DiskMode, "independent_")
	case *types.VirtualDiskRawDiskMappingVer1BackingInfo:
		return b.CompatibilityMode != "physicalMode"
	}
	return true
}

// keyOf is "ParaVirtualSCSIController0:1".
func keyOf(devices []types.BaseVirtualDevice, d *types.VirtualDisk) string {
	for _, c := range devices {
		if c.GetVirtualDevice().Key == d.ControllerKey {
			if bus, ok := c.(types.BaseVirtualController); ok {
				return fmt.Sprintf("%s%d:%d", reflect.TypeOf(c).Elem().Name(), bus.GetVirtualController().BusNumber, *d.UnitNumber)
			}
		}
	}
	return fmt.Sprintf("disk:%d", d.Key)
}

// setDisk: the n-th disk of the VM, a new one behind the last, has from now on what the file has, and this mode unless it is "".
func (l *leases) setDisk(vm *simulator.VirtualMachine, n int, path, mode string) error {
	size, err := virtualSize(path)
	if err != nil {
		return err
	}
	devices := append([]types.BaseVirtualDevice{}, vm.Config.Hardware.Device...)
	disks := disksOf(devices)
	if n > len(disks) {
		return fmt.Errorf("no disk %d", n)
	}
	var disk types.VirtualDisk
	if n < len(disks) {
		disk = *disks[n]
	} else {
		disk = *disks[0]
		disk.Key += int32(100 + n)
		disk.UnitNumber = types.NewInt32(int32(n))
		devices = append(devices, nil)
	}
	disk.CapacityInBytes, disk.CapacityInKB = size, size/1024
	if flat, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok && mode != "" {
		backing := *flat
		backing.DiskMode = mode
		disk.Backing = &backing
	}
	for i, d := range devices {
		if d == nil || d.GetVirtualDevice().Key == disk.Key {
			devices[i] = &disk
		}
	}
	simulator.Map.Update(vm, []types.PropertyChange{{Name: "config.hardware.device", Val: devices}})
	l.mu.Lock()
	defer l.mu.Unlock()
	now := map[int32]string{disk.Key: path}
	for key, other := range l.files[vm.Self.Value] {
		if key != disk.Key {
			now[key] = other
		}
	}
	l.files[vm.Self.Value] = now
	return nil
}

// now: the files of the VM's disks at this instant.
func (l *leases) now(vm *simulator.VirtualMachine) map[int32]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.files[vm.Self.Value]
}

// instant: these are what the snapshot has.
func (l *leases) instant(snapshot string, files map[int32]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.files[snapshot] = files
}

// snapshotDisk is the image file with what the disk held at the snapshot; it is there until the snapshot goes.
func (w *world) snapshotDisk(vm *simulator.VirtualMachine, snapshot *simulator.VirtualMachineSnapshot, disk *types.VirtualDisk) (string, error) {
	if m := w.machine(vm.Self); m.real != nil {
		return w.realDisk(m, snapshot.Self.Value, disk.Key)
	}
	l := w.leases
	l.mu.Lock()
	defer l.mu.Unlock()
	if path := l.files[snapshot.Self.Value][disk.Key]; path != "" {
		return path, nil
	}
	path := filepath.Join(l.dir, fmt.Sprintf("%s-%d.raw", vm.Self.Value, disk.Key))
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return path, f.Truncate(disk.CapacityInKB * 1024)
}
