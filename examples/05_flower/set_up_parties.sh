#!/bin/sh
# Sets up four parties on one machine: set_up_parties.sh FOLDER [options of `veilsum deal`]
# In earnest each party does its own lines on its own machine: docs/operations.md.
set -eu
umask 077
folder=$1
shift
mkdir "$folder"
cd "$folder"
parties='party-1 party-2 party-3 party-4'

for party in $parties server dealer; do
    mkdir "$party"
    head -c 24 /dev/urandom | base64 >"$party/passphrase"
    veilsum enrol "$party" --out "$party" --passphrase-file "$party/passphrase"
done

# 650 values of the model, and 2 metrics. Every party contributes, and holds a share: three of the four open a sum, and one may collude.
mkdir enrolments
for party in $parties; do cp "$party/$party.enrolment" enrolments; done
veilsum deal --identity dealer/dealer.identity --passphrase-file dealer/passphrase \
    --aggregator server/server.enrolment \
    --contributors enrolments --holders enrolments --threshold 3 --max-colluding 1 \
    --colluding 1 --min-contributors 3 --dim 652 --clip 1 --weight-spread 30 --yes \
    --out dealt --passphrase-dir passphrases "$@"

for party in $parties; do
    veilsum join dealt/federation.veil --dealer dealer/dealer.enrolment \
        --identity "$party/$party.identity" --passphrase-file "$party/passphrase" \
        --share "dealt/$party.share" --share-passphrase-file "passphrases/$party.passphrase" \
        --out "$party/federation"
done

# The server has the federation and its own signing key. The dealer forgets.
mv dealt/federation.veil server
rm -r dealer dealt passphrases enrolments
