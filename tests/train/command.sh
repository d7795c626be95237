#!/bin/sh
# SPDX-License-Identifier: MIT
# tests/train/command.sh TRAIN: the command as a user meets it: what is wrong is one sentence and writes nothing; Ctrl-C saves, and what goes on
# from there in a new process ends at the same file, byte for byte, as a training that was not stopped; a layer of a type given as text.
# shellcheck source=tests/train/refused.sh
. "$(dirname "$0")/refused.sh"
train=$program
refused 'no task is called mqa; did you mean mqar?' mqa deltanet
refused 'no layer is called gated_delta; did you mean gated_deltanet?' mqar gated_delta
refused 'there is no option --stesp; did you mean --steps?' mqar deltanet --stesp 3
refused 'width: expected a multiple of the 3 heads, given 64' mqar deltanet --heads 3
refused 'steps: expected at least 1, given 0' mqar deltanet --steps 0
refused 'vocabulary: expected twice the pairs and 2 at least, given 64' mqar deltanet --pairs 40
refused '--ssm-rate: expected a layer whose state space has a rate of its own (s4, s4d), given deltanet.' mqar deltanet --ssm-rate 0.001
refused '--ssm-rate: expected a number above 0, beside a --rate above 0, or -1.' mqar s4 --ssm-rate 0
refused '--pads-in-mean: expected 1, 0 or -1, given 2.' mqar deltanet --pads-in-mean 2
refused 'file: expected a text to learn (--file), given none' text_bytes deltanet
refused 'absent/cifar10/cifar10_gray_train_1.bin' cifar10 paper_softmax --data absent
refused 'test: expected 0 or more, given -1' imdb paper_softmax --test -1
export CUDACXX=/absent/nvcc
refused '--device cuda: expected nvcc at CUDACXX, and no program is at /absent/nvcc.' mqar deltanet --device cuda
if ! nvidia-smi -L > /dev/null 2>&1; then
  export CUDACXX="$train" # any program, for it is not reached
  refused '--device cuda: expected an NVIDIA GPU, and ' mqar deltanet --device cuda
fi
unset CUDACXX
refused '--recorded: steps are recorded on a GPU; add --device cuda.' mqar deltanet --recorded 1
refused '--bf16: factors are rounded on a GPU; add --device cuda.' mqar deltanet --bf16 1
refused "--device: expected cpu or cuda, given 'gpu'." mqar deltanet --device gpu
refused 'does not compile: ' mqar 'mixer<readout::linear, evolution::paw, scaling::one, normalization::one>'

cat > mine.hpp << 'END'
namespace mine {
struct forget {  // lambda = sigmoid(raw)
  using streams = coefdyn::list<coefdyn::per_head<coefdyn::stream::raw>>;
  static constexpr coefdyn::structure_of structure{.decay = coefdyn::decaying::scalar};
  template <class At>
  COEFDYN_HD static auto log_decay(const At& at) {
    return -coefdyn::math::softplus(-at.raw);
  }
};
}  // namespace mine
END
mine='mixer<readout::linear, mine::forget, scaling::inverse_sqrt_dim, normalization::one>'
set -- in_context_recall "$mine" --include mine.hpp --steps 60 --evaluate-every 1 --dim 32 --batch 8 --test 32 --threads 1 --spectrum-sequences 2
"$train" "$@" --out whole > whole.log || fail "$(cat whole.log)"
for file in checkpoint.safetensors settings.json figures.json curve.gp radius.gp phase.gp; do
  [ -s "whole/$file" ] || fail "whole/$file is missing"
done
grep -q '"steps": 60' whole/figures.json || fail "figures.json does not say the steps"

"$train" "$@" --out parts > parts.log 2>&1 &
process=$!
until grep -q '^step 2 of' parts.log 2> /dev/null; do
  kill -0 $process 2> /dev/null || fail "the second training ended early: $(cat parts.log)"
  sleep 0.05
done
kill -INT $process
code=0
wait $process || code=$?
[ $code -eq 130 ] || fail "exit code $code after Ctrl-C: $(cat parts.log)"
grep -q 'interrupted after step' parts.log || fail "it does not say that it was interrupted: $(cat parts.log)"
refused_over=$("$train" "$@" --out parts 2>&1) && fail "an unfinished training is written over"
echo "$refused_over" | grep -q 'parts holds an unfinished training: --resume parts goes on' || fail "$refused_over"
cp parts/checkpoint.safetensors broken.safetensors
"$train" --resume parts > resumed.log || fail "$(cat resumed.log)"
cmp whole/checkpoint.safetensors parts/checkpoint.safetensors || fail "what went on is not what was never stopped"
grep -q '"steps": 60' parts/figures.json || fail "figures.json does not say the steps"

mkdir broken
head -c 3000 broken.safetensors > broken/checkpoint.safetensors
"$train" --resume broken > said 2> wrong && fail "a truncated checkpoint is taken"
[ "$(wc -l < wrong)" -eq 1 ] || fail "more than a sentence: $(cat wrong)"
[ "$(find broken -type f | wc -l)" -eq 1 ] || fail "something is written beside a truncated checkpoint"
cp -r parts other
code=0
"$train" --resume other --dim 16 > said 2> wrong || code=$?
[ $code -eq 2 ] || fail "a checkpoint of another model is taken"
grep -q "size.width: expected 16, given '32'" wrong || fail "$(cat wrong)"
echo "the command holds"
