// SPDX-License-Identifier: MIT
#pragma once
#include "exp_exp.hpp"
#include "gla.hpp"
#include "hgrn2.hpp"
#include "mamba2.hpp"
#include "rwkv7.hpp"
#include "sigmoid.hpp"
