# SPDX-License-Identifier: Apache-2.0
# A boot sector that writes, as a guest would: sectors 2048 to 30720 (1 to 15 MiB) of the disk it was booted from, then rests.
        .intel_syntax noprefix
        .code16
        .globl _start
_start:
        xor     ax, ax
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     sp, 0x7c00
        mov     drive, dl
next:
        mov     si, offset packet
        mov     ax, 0x4300
        mov     dl, drive
        int     0x13
        jc      rest
        add     dword ptr lba, 64
        cmp     dword ptr lba, 30720
        jb      next
rest:
        hlt
        jmp     rest
drive:  .byte   0
packet: .byte   16, 0
        .word   64              # sectors
        .word   0x8000, 0       # from here
lba:    .long   2048, 0
        .org    510
        .word   0xaa55
