// SPDX-License-Identifier: MIT
#pragma once
#include "attention.hpp"
#include "coefficient.hpp"
#include "complex_state_space.hpp"
#include "delta_rule.hpp"
#include "gated_linear.hpp"
#include "rwkv.hpp"
#include "state_space.hpp"
