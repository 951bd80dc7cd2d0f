# SPDX-License-Identifier: Apache-2.0
"""`restore vm --ovf`: a point's disks with an envelope that others import, without a hypervisor; whole, or not there."""

import hashlib
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import runlib
import kill_points  # noqa: I001  runlib says where it is
from restorelib import ALL_FORMATS, Case

runlib.need("qemu-img", "qemu-img", "qemu-nbd")
runlib.need("age", "age", "age-keygen")

MINE = "integration.run.restore_ovf"
OVF = "{http://schemas.dmtf.org/ovf/envelope/1}"
RASD = "{http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData}"
STREAM = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
MAC = "00:50:56:aa:bb:cc"


def definition(**change):
    disk = {"unit": 0, "bytes": 1, "captured": True}
    return {"format": "holdfast-machine", "version": 1, "name": "web", "guest": "debian11_64Guest", "hardware": "vmx-19", "firmware": "efi",
            "secure_boot": True, "cpus": 4, "cores_per_socket": 2, "memory_mib": 8192, "annotation": "kept\nby <b>us</b>",
            "controllers": [{"key": 1000, "kind": "pvscsi", "bus": 0}, {"key": 15000, "kind": "ahci", "bus": 1}],
            "disks": [{"target": "vda", "key": 2000, "controller": 1000, **disk},
                      {"target": "vdb", "key": 2001, "controller": 15000, **disk, "unit": 3},
                      {"target": "vdc", "key": 2002, "controller": 1000, **disk, "unit": 1, "captured": False}],
            "nics": [{"key": 4000, "kind": "vmxnet3", "network": "VM & \"<Net>\"", "mac": MAC, "connected": True},
                     {"key": 4001, "kind": "e1000", "network": "VM & \"<Net>\"", "mac": "", "connected": False}], **change}


class Package(Case):
    def setUp(self):
        super().setUp()
        self.add_store()
        self.describe()
        self.backup()

    def describe(self, **change):
        (self.site.vm / "definition").write_text(json.dumps(definition(**change)))

    def ovf(self, *more, name="new", **env):
        return self.site.run("restore", "vm", self.point, "--name", name, "--dir", self.out, "--ovf", *more, TMPDIR=self.site.dir, **env)

    def package(self, name="new"):
        return self.out / name

    def envelope(self, base="new", name="new"):
        return ElementTree.parse(self.package(name) / f"{base}.ovf").getroot()

    def assert_whole(self, form="vmdk", base="new", name="new"):
        folder = self.package(name)
        files = [f"{base}-disk1.{form}", f"{base}-disk2.{form}", f"{base}.mf", f"{base}.ovf"]
        self.assertEqual(sorted(p.name for p in folder.iterdir()), files)
        self.assertEqual([p.name for p in self.out.iterdir()], [name])
        told = dict(re.findall(r"^SHA256\((.+)\)= ([0-9a-f]{64})$", (folder / f"{base}.mf").read_text(), re.M))
        self.assertEqual(told, {f: hashlib.sha256((folder / f).read_bytes()).hexdigest() for f in files if not f.endswith(".mf")})
        alone = self.site.dir / "alone"
        shutil.copytree(folder, alone)
        for other in alone.glob("*disk2*"), alone.glob("*.mf"), alone.glob("*.ovf"):
            for file in other:
                file.unlink()
        self.assert_equal(next(alone.iterdir()), form)
        shutil.rmtree(alone)
        self.assertEqual(self.site.journals(), [])

    def nothing_stands_there(self):
        self.assertFalse(self.package().exists())
        self.assertEqual(self.site.journals(), [])


class Whole(Package):
    def test_it_needs_no_hypervisor_and_its_disks_are_those_of_the_point(self):
        self.site.config.write_text(re.sub(r"\[hypervisor here\][^\[]*|\[vm web\][^\[]*", "", self.site.config.read_text()))
        doc = self.ok(self.ovf())
        self.assertEqual((doc["ovf"], doc["dir"], doc["hypervisor"], doc["started"]),
                         (f"{self.out}/new/new.ovf", f"{self.out}/new", "", False))
        self.assertEqual([Path(d["file"]).name for d in doc["disks"]], ["new-disk1.vmdk", "new-disk2.vmdk"])
        self.assertIn({"kind": "left out", "about": "vdc", "text": "snapshots of the machine did not have this disk"}, doc["findings"])
        self.assert_whole()

    def test_holes_stay_holes(self):
        self.ok(self.ovf())
        text = subprocess.run(["qemu-img", "map", "-f", "vmdk", "--output=json", self.package() / "new-disk1.vmdk"], check=True, capture_output=True)
        zeros = sum(e["length"] for e in json.loads(text.stdout) if e["zero"])
        self.assertGreater(zeros, 8 << 20)

    def test_the_envelope_says_what_the_machine_was(self):
        self.ok(self.ovf())
        e = self.envelope()
        system = e.find(f"{OVF}VirtualSystem")
        hardware = system.find(f"{OVF}VirtualHardwareSection")
        items = [{c.tag.removeprefix(RASD): c.text for c in i} for i in hardware.findall(f"{OVF}Item")]
        by_type = {}
        for i in items:
            by_type.setdefault(i["ResourceType"], []).append(i)
        self.assertEqual(len({i["InstanceID"] for i in items}), len(items))
        self.assertEqual(by_type["3"][0]["VirtualQuantity"], "4")
        self.assertEqual((by_type["4"][0]["VirtualQuantity"], by_type["4"][0]["AllocationUnits"]), ("8192", "byte * 2^20"))
        self.assertEqual([(i["ResourceSubType"], i["Address"]) for i in by_type["6"] + by_type["20"]],
                         [("VirtualSCSI", "0"), ("vmware.sata.ahci", "1")])
        parents = {i["InstanceID"]: i["ResourceSubType"] for i in by_type["6"] + by_type["20"]}
        self.assertEqual([(parents[d["Parent"]], d["AddressOnParent"], d["HostResource"]) for d in by_type["17"]],
                         [("VirtualSCSI", "0", "ovf:/disk/vmdisk1"), ("vmware.sata.ahci", "3", "ovf:/disk/vmdisk2")])
        self.assertEqual([(n["ResourceSubType"], n["Connection"], n["AutomaticAllocation"], "Address" in n) for n in by_type["10"]],
                         [("VmxNet3", 'VM & "<Net>"', "true", False), ("E1000", 'VM & "<Net>"', "false", False)])
        self.assertEqual([n.get(f"{OVF}name") for n in e.iter(f"{OVF}Network")], ['VM & "<Net>"'])
        self.assertEqual(system.find(f"{OVF}AnnotationSection/{OVF}Annotation").text, "kept\nby <b>us</b>")
        text = (self.package() / "new.ovf").read_text()
        self.assertIn('vmw:key="firmware" vmw:value="efi"', text)
        self.assertIn('vmw:key="bootOptions.efiSecureBootEnabled" vmw:value="true"', text)
        self.assertIn('ovf:id="101" vmw:osType="debian11_64Guest"', text)
        self.assertNotIn(MAC, text)

    def test_sizes_and_format_of_each_disk_are_in_it(self):
        self.ok(self.ovf())
        e = self.envelope()
        for i, file in enumerate(e.iter(f"{OVF}File"), 1):
            path = self.package() / file.get(f"{OVF}href")
            disk = e.findall(f".//{OVF}Disk")[i - 1]
            self.assertEqual(file.get(f"{OVF}size"), str(path.stat().st_size))
            self.assertEqual((disk.get(f"{OVF}format"), disk.get(f"{OVF}fileRef")), (STREAM, file.get(f"{OVF}id")))
            info = subprocess.run(["qemu-img", "info", "-f", "vmdk", "--output=json", path], check=True, capture_output=True)
            self.assertEqual(json.loads(info.stdout)["virtual-size"], int(disk.get(f"{OVF}capacity")))

    def test_its_addresses_only_where_they_are_wanted(self):
        self.ok(self.ovf("--keep-mac"))
        self.assertEqual([a.text for i in self.envelope().iter(f"{OVF}Item") if i.find(f"{RASD}ResourceType").text == "10"
                          for a in i.findall(f"{RASD}Address")], [MAC])

    def test_other_formats_and_an_encrypted_store(self):
        self.add_store("safe", **self.encrypt())
        self.backup(store="safe")
        for form in ALL_FORMATS:
            with self.subTest(form=form):
                doc = self.ok(self.ovf("--format", form, "--store", "safe"))
                self.assertEqual("vSphere imports disks in vmdk only" in str(doc["findings"]), form != "vmdk")
                self.assert_whole(form)
                shutil.rmtree(self.package())

    def test_a_name_that_is_fit_for_no_file_is_only_the_machines(self):
        name = 'a"&<b>\' c:%2f\n\x01ü'
        self.ok(self.ovf(name=name))
        base = "a___b___c__2f____"
        self.assert_whole(base=base, name=name)
        self.assertEqual(self.envelope(base, name).find(f"{OVF}VirtualSystem/{OVF}Name").text, 'a"&<b>\' c:%2f\n ü')

    def test_people_read_what_is_there_to_import(self):
        r = self.site.run("restore", "vm", self.point, "--name", "new", "--dir", self.out, "--ovf", as_json=False)
        self.assertEqual(r.status, 0, str(r))
        self.assertIn(f"restored   {self.out}/new/new.ovf, from web/{self.point} on store vault\n", r.stdout)
        self.assertIn(f"to import  {self.out}/new, in ", r.stdout)

    def test_a_dry_run_tells_and_makes_nothing(self):
        doc = self.ok(self.ovf("--dry-run"))
        self.assertTrue(doc["findings"])
        self.assertEqual(list(self.out.iterdir()), [])


class Refused(Package):
    def test_what_cannot_be_is_refused_before_a_disk_is_read(self):
        packs = self.site.dir / "vault" / "packs"
        packs.rename(self.site.dir / "hidden")
        for option in ("--start", "--in-place", "--instant", "--keep-uuid", "--keep-arguments"):
            self.fails(self.ovf(option), "config", f"--ovf goes without {option}", 2)
        self.fails(self.ovf("--hypervisor", "here"), "config", "goes without", 2)
        self.fails(self.site.run("restore", "vm", self.point, "--name", "new", "--dir", self.out, "--format", "vmdk"), "config", "--ovf", 2)
        self.package().mkdir()
        self.fails(self.ovf(), "conflict", "exists already", 1)
        self.package().rmdir()
        self.assertEqual(list(self.out.iterdir()), [])

    def test_a_definition_that_is_none_is_refused_before_a_disk_is_read(self):
        for change, error in (({"format": "libvirt"}, "unsupported"), ({"version": 2}, "unsupported"), ({"disks": []}, "corrupt"),
                              ({"controllers": []}, "corrupt"), ({"cpus": 0}, "corrupt"), ({"memory_mib": "8"}, "corrupt")):
            with self.subTest(change=change):
                self.describe(**change)
                self.backup()
                r = self.ovf()
                self.assertEqual(r.error["class"], error, str(r))
                self.assertIn("restore image", r.error["hint"])
                self.assertEqual(list(self.out.iterdir()), [])
        (self.site.vm / "definition").unlink()
        self.backup()
        self.assertEqual(self.ovf().error["class"], "unsupported")

    def test_a_hypervisor_that_makes_no_machine_of_it_leads_to_the_envelope(self):
        r = self.site.run("restore", "vm", self.point, "--name", "new", "--dir", self.out)
        self.assertIn("--ovf", r.error["hint"] or "", str(r))

    def test_a_missing_chunk_is_named_and_what_was_whole_is_kept(self):
        self.site.dir.joinpath("vault", "packs").rename(self.site.dir / "hidden")
        error = self.fails(self.ovf(), "corrupt")
        self.assertIn("disk vda", error["message"])
        self.nothing_stands_there()
        self.site.dir.joinpath("hidden").rename(self.site.dir / "vault" / "packs")
        self.ok(self.ovf())
        self.assert_whole()


class Killed(Package):
    def test_killed_at_any_point_there_is_no_package_and_the_same_command_makes_it(self):
        self.ok(self.ovf(**self.site.points()))
        order = [p for p in self.site.visited() if p.startswith("restore.")]
        self.assertEqual(kill_points.of(MINE) - set(order), set(), "never visited")
        self.assertIn("restore.image.before_piece", order)
        shutil.rmtree(self.package())
        for point in order:
            with self.subTest(point=point):
                r = self.ovf(**self.site.points(f"{point}=kill"))
                self.assertEqual(r.status, -9, f"{point} did not end it: {r}")
                if point == "restore.vm.after_name":
                    self.assert_whole()
                    self.fails(self.ovf(), "conflict", "exists already")
                else:
                    self.nothing_stands_there()
                    self.ok(self.ovf())
                    self.assert_whole()
                shutil.rmtree(self.package())

    def test_disks_that_were_whole_are_not_fetched_again(self):
        self.assertEqual(self.ovf(**self.site.points("restore.ovf.before_envelope=kill")).status, -9)
        doc = self.ok(self.ovf())
        self.assertEqual([(d["fetched"], d["resumed"]) for d in doc["disks"]], [(0, True), (0, True)])
        self.assert_whole()

    def test_an_error_at_any_point_is_said_and_the_same_command_again_ends_it(self):
        for point in sorted(kill_points.of(MINE, "HF_POINT_ERR")):
            with self.subTest(point=point):
                self.fails(self.ovf(**self.site.points(f"{point}=error")), "internal", point)
                self.nothing_stands_there()
                self.ok(self.ovf())
                self.assert_whole()
                shutil.rmtree(self.package())

    def test_what_stays_for_the_next_try_is_named_and_a_folder_without_anything_goes(self):
        part = self.out / f".new-{self.point}.holdfast-part"
        for point, stays in (("restore.image.before_piece", False), ("restore.ovf.before_envelope", True)):
            with self.subTest(point=point):
                error = self.fails(self.ovf(**self.site.points(f"{point}=error")), "internal", point)
                self.assertEqual((part.exists(), str(part) in str(error["left"])), (stays, stays), str(error))

    def test_a_vmdk_that_is_cut_anywhere_is_opened_by_nobody(self):
        self.ok(self.ovf())
        data = (self.package() / "new-disk1.vmdk").read_bytes()
        cut = self.site.dir / "cut.vmdk"
        for n in (511, 65536, len(data) // 2, len(data) - 1536, len(data) - 512):
            cut.write_bytes(data[:n])
            r = subprocess.run(["qemu-img", "convert", "-f", "vmdk", "-O", "raw", cut, self.site.dir / "back"], capture_output=True)
            self.assertNotEqual(r.returncode, 0, n)


if __name__ == "__main__":
    runlib.main()
