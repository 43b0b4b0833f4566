//! The scanner under test, for the checks that all formats share.

use vhdx::VhdxState;

testing::scanner!(Vhdx, VhdxState);
