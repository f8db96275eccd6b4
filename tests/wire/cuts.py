#!/usr/bin/env python3
"""Every transcript on the simulator, cut: each input at each byte, with and without a record of the node at the cut.

    tests/wire/cuts.py --simwire build/tests/sim/simwire [--slice I/N|any/N] [-k word]

Resolves the transcripts into scripts (resolve.py), then plays them (tests/sim/simwire.c tells the modes): byte by byte, byte by byte
with a record after each, each send cut in two at each byte, the same with a record at the cut. --slice plays one Nth of the
last two, `any` another one each time. The last line is `SUITE cuts: N passed, M failed, 0 skipped`, in scripts and modes."""
import argparse, glob, os, random, re, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    ap = argparse.ArgumentParser(description='play the transcripts cut at every byte')
    ap.add_argument('--simwire', required=True)
    ap.add_argument('--slice', default='0/1')
    ap.add_argument('-k', default='', help='only transcripts whose path contains this')
    a = ap.parse_args()
    if a.slice.startswith('any/'):
        a.slice = '%d/%s' % (random.randrange(int(a.slice[4:])), a.slice[4:])
    passed = failed = runs = 0
    with tempfile.TemporaryDirectory(prefix='peal-cuts-') as tmp:
        made = subprocess.run([sys.executable, os.path.join(HERE, 'resolve.py'), '--simwire', a.simwire, '--out', tmp, '-k', a.k],
                              stdout=subprocess.PIPE, text=True)
        scripts = sorted(glob.glob(os.path.join(tmp, '*.sim')))
        if made.returncode != 0 or not scripts:
            print(made.stdout)
            print('SUITE cuts: 0 passed, 1 failed, 0 skipped')
            return 1
        for mode in 'bytes', 'split', 'record':
            r = subprocess.run([a.simwire, '--mode', mode, '--slice', a.slice] + scripts, stdout=subprocess.PIPE)
            out = r.stdout.decode('utf-8', 'replace')
            end = re.search(r'(\d+) runs\nSUITE simwire: (\d+) passed, (\d+) failed', out)
            if end is None or r.returncode not in (0, 1) or end[3] != '0':
                print('mode %s, status %d\n%s' % (mode, r.returncode, out[-6000:]))
            runs += int(end[1]) if end else 0
            passed += int(end[2]) if end else 0
            failed += int(end[3]) if end else 1
    print('%d runs of %d transcripts, slice %s' % (runs, len(scripts), a.slice))
    print('SUITE cuts: %d passed, %d failed, 0 skipped' % (passed, failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
