# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
#
# What common/customize does for this flavour: $root is the guest.

# What the maintainer scripts of a package with a service would do.
prepare_server()
{
    chroot "$root" useradd --system --user-group --home-dir /nonexistent --no-create-home \
        --shell /bin/false --comment 'MySQL Server' mysql
    install -d -m 700 "$root/var/lib/mysql"
    chroot "$root" chown mysql: /var/lib/mysql
    chroot "$root" systemctl -q enable mysql.service
}

# init_database SQL: as a file that its user may read, for this server takes none from stdin.
init_database()
{
    local file=/tmp/users.sql
    install -m 600 /dev/null "$root$file"
    chroot "$root" chown mysql: "$file"
    cat >"$root$file" <<<"$1"
    chroot "$root" mysqld --user=mysql --skip-log-bin --initialize-insecure --init-file="$file"
    rm "$root$file"
}

# keep_for_host DIR: the guest's server with all it needs, to recover copies on a host that has
# none, or another version: a server does not start on the files of a newer one. The program's
# name belongs to its loader, so that the process is called what it is (comm).
keep_for_host()
{
    local dir=$1 lib
    mkdir -p "$dir/lib" "$dir/plugin" "$dir/share"
    cp "$root/usr/sbin/mysqld" "$dir/mysqld.bin"
    cp "$root/usr/lib/mysql/plugin/auth_socket.so" "$dir/plugin/"
    cp -r "$root/usr/share/mysql/english" "$root/usr/share/mysql/charsets" "$dir/share/"
    chroot "$root" ldd /usr/sbin/mysqld | grep -o '/[^ ]*' | while read -r lib; do
        cp -L "$root$lib" "$dir/lib/"
    done
    mv "$dir"/lib/ld-linux-* "$dir/mysqld"
}
