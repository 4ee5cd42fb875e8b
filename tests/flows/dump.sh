#!/usr/bin/env bash
# The dump method between real servers of two majors, each copy looked at by another tool's eyes.
. "$(dirname "$0")/common.sh"
up a 14
up b 16

# case NAME DB [expected status] [dump lines...]
migrate() {
	local name=$1 db=$2 want=$3
	shift 3
	ini "$name" a "$db" b "$db" "$@"
	ok "$name: runs" exits "$want" pgusher run "$name" --yes
	ok "$name: every object is the same" same_objects "$name"
	ok "$name: same by pg_dump and psql" tests/lab/compare "a/$db" "b/$db"
	ok "$name: no session left" no_leftovers a
	ok "$name: no session left" no_leftovers b
}

publications() {
	lab psql a torture -At -c 'SELECT format($$DROP PUBLICATION %I$$, pubname) FROM pg_publication' | while read -r drop; do
		lab psql a torture -c "$drop" </dev/null
	done
}

if [ "${1:-}" = quick ]; then
	lab torture a torture
	publications
	migrate quick torture 0
	exit $bad
fi

lab torture a torture
publications # they are left out on purpose, and said so
migrate torture-stream torture 0
lab psql b postgres -c 'DROP DATABASE torture'
migrate torture-file torture 0 'transfer = file' 'format = directory' 'jobs = 3'
lab psql b postgres -c 'DROP DATABASE torture'
migrate torture-custom torture 0 'transfer = file' 'format = custom' 'compress = gzip:1'

lab empty a 'we"ird Таблица'
migrate empty 'we"ird Таблица' 0

if lab netbox a netbox 2>"$WORK/netbox.err"; then
	migrate netbox netbox 0
	ok 'netbox: verify again' exits 0 pgusher verify netbox
	lab psql b netbox -c "UPDATE dcim_site SET name = name || 'x' WHERE id = (SELECT min(id) FROM dcim_site)"
	ok 'netbox: one changed row is found' exits 1 pgusher verify netbox
	ok 'netbox: and its table is named' says netbox public.dcim_site
	ok 'netbox: status knows of it' exits 0 pgusher status netbox
	ok 'netbox: status says so' says netbox '1 different, 0 not proven: public.dcim_site'
	ok 'netbox: so does the report' grep -q '1 different, 0 not proven: public.dcim_site' "$XDG_STATE_HOME/pgusher/netbox/report.md"
else
	echo "skip netbox: $(cat "$WORK/netbox.err")"
fi

lab tables a many 2000
migrate tables many 0 'jobs = 4' 'transfer = file'
lab psql b postgres -c 'DROP DATABASE many'
ini total a many b many 'jobs = 2'
ok 'told as JSON' exits 0 pgusher run total --yes --json
ok 'the total of a copy is the same from its beginning' test "$(grep '"kind":"progress","id":"copy"' "$WORK/total.out" | grep -o '"of":[0-9]*' | sort -u | wc -l)" = 1

# dump only, then restore only: the proof travels with the file
lab rows a rows 20
ini script a rows b rows
ok 'script of a stream: refused, for it would move no rows' exits 2 pgusher plan script --shell
ok 'script of a stream: says what to do' says script 'set transfer = file'
ini script a rows b rows 'transfer = file' "dir = $WORK/script-dump"
mkdir -p "$WORK/script-dump"
"$PGUSHER" plan -c "$WORK/script.ini" --shell >"$WORK/script.sh"
for s in a b; do printf '127.0.0.1:%s:*:postgres:%s\n' "$(get $s PORT)" "$(get $s PASSWORD)"; done >"$WORK/both"
chmod 600 "$WORK/both"
ok 'script of a file: runs by hand' env PGPASSFILE="$WORK/both" sh "$WORK/script.sh"
ok 'script of a file: the rows are the same' tests/lab/compare --skip roles,schema a/rows b/rows
lab psql b postgres -q -c 'DROP DATABASE rows WITH (FORCE)'
ini dumponly a rows b rows "dir = $WORK/dumps" 'dump_only = yes' 'transfer = file'
mkdir -p "$WORK/dumps"
ok 'dump only' exits 0 pgusher run dumponly --yes
file=$(find "$WORK/dumps" -mindepth 1 -maxdepth 1 ! -name '*.json' | head -n 1)
ini restoreonly a rows b rows "use_file = $file"
lab psql a rows -c 'DELETE FROM big_wide WHERE id % 2 = 0'
ok 'restore only, the source has moved on' exits 0 pgusher run restoreonly --yes
ok 'the dump is still there' test -e "$file"
lab psql b postgres -c 'DROP DATABASE rows' >/dev/null
sed -i '/^\[source\]/,/^passfile/d' "$WORK/restoreonly.ini"
ok 'restore only, no source at all' exits 0 pgusher run restoreonly --yes
ok 'restore only, no source at all: proven by the figures beside the dump' says restoreonly 'proven equal'
sed -i "s,^use_file = .*,use_file = $WORK," "$WORK/restoreonly.ini"
ok 'a folder that is no dump: blocks before anything is made' exits 3 pgusher run restoreonly --yes
ok 'a folder that is no dump: says so' says restoreonly 'no toc.dat'
ok 'nobody else may read the dump' test -z "$(find "$file" -perm /077)"
exit $bad
