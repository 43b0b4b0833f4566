#!/bin/sh
# Prints like libFuzzer, keeps two inputs half a second apart, reports one that fails, and runs until its end.
# A shell cannot trap what it was started to ignore, as it is in the background of another.
[ -n "$TRAPS" ] || TRAPS=1 exec env --default-signal=INT "$0" "$@"
trap 'echo "stat::number_of_executed_units: 1000"; exit' INT
for argument; do
    case $argument in
    -artifact_prefix=*) artifacts=${argument#*=} ;;
    -*) ;;
    */output) output=$argument ;;
    */inputs) echo "INFO: $(ls "$argument" | wc -l) files found in $argument" ;;
    esac
done
echo 'INFO: Running with entropic power schedule'
printf first >"$output/first"
sleep 0.5
printf second >"$output/second"
printf Fails >"${artifacts}crash-1"
echo '#100 NEW'
while :; do sleep 0.1; done
