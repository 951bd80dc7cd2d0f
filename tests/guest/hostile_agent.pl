#!/usr/bin/perl
# SPDX-License-Identifier: Apache-2.0
# hostile_agent.pl HOW: in the guest, in place of its agent. Answers guest-sync as an agent should, and
# everything else with HOW.
use strict;
use warnings;
use IO::Handle;

my $how = shift;
open(my $port, '+<', '/dev/virtio-ports/org.qemu.guest_agent.0') or die "port: $!";
binmode $port;

sub say_raw { syswrite($port, $_[0]) // die "write: $!" }
sub answer { say_raw("$_[0]\n") }

sub types
{
    my $command = shift;
    my %lie = (
        'guest-exec'            => '{"return":{"pid":"one"}}',
        'guest-file-open'       => '{"return":{"handle":[]}}',
        'guest-fsfreeze-status' => '{"return":true}',
        'guest-get-fsinfo'      => '{"return":{"0":{"mountpoint":7}}}',
    );
    answer($lie{$command} // '{"return":[[],{},-1e999]}');
}

# Agrees to everything, freezes without an end, and stays frozen.
sub half
{
    my $command = shift;
    our $is_frozen;
    return answer('{"return":"' . ($is_frozen ? 'frozen' : 'thawed') . '"}')
        if $command eq 'guest-fsfreeze-status';
    return $is_frozen = 1 if $command eq 'guest-fsfreeze-freeze';
    answer('{"return":0}');
}

my %hows = (
    mute     => sub { },
    long     => sub { answer('{"return":"' . 'x' x 5_000_000 . '"}') },
    types    => \&types,
    invalid  => sub { answer('{"return":{"pid":1,}') },
    endless  => sub { while (1) { say_raw('y' x 65536) } },
    half     => \&half,
);

my $buffer = '';
while (1) {
    my $n = sysread($port, my $piece, 4096);
    next if !defined $n;
    if ($n == 0) { select(undef, undef, undef, 0.05); next }
    $buffer .= $piece;
    while ($buffer =~ s/^([^\n]*)\n//) {
        my $line = $1;
        if ($line =~ /"guest-sync".*"id": *(\d+)/) { answer("{\"return\":$1}"); next }
        $hows{$how}->($line =~ /"execute": *"([^"]*)"/ ? $1 : '');
    }
}
