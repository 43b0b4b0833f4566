//! The scanner under test, for the checks that all formats share.

use vhd::VhdState;

testing::scanner!(Vhd, VhdState);
