#!/usr/bin/python3
"""What the tests of this folder and of tests/soak stand on: a failure in a thread is the test's, ports do not meet, samples that are
missing are missed, and a tool is looked for when a test runs."""
import importlib.machinery
import importlib.util
import os
import socket
import subprocess
import sys
import types
import unittest

sys.dont_write_bytecode = True
from sites import ROOT, SERVICES, Beside, fail, free_ports  # noqa: E402
from traffic import Traffic  # noqa: E402


def load_soak():
    loader = importlib.machinery.SourceFileLoader("soak", os.path.join(ROOT, "tests", "soak", "run"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("soak", loader))
    loader.exec_module(module)
    return module


class BesideTest(unittest.TestCase):

    def test_what_ends_it_is_raised_by_join(self):
        for fault, what in ((SystemExit, lambda: fail("no")), (ZeroDivisionError, lambda: 1 / 0)):
            thread = Beside(what)
            thread.start()
            with self.assertRaises(fault):
                thread.join()

    def test_its_own_end_is_none(self):
        thread = Beside(lambda: None)
        thread.start()
        thread.join()


class PortsTest(unittest.TestCase):

    def test_all_differ_and_outgoing_connections_take_none(self):
        ports = free_ports(20) + free_ports(20)
        self.assertEqual(len(set(ports)), 40)
        self.assertTrue(all(32000 <= port <= 32767 for port in ports))
        # Nothing listens on one of them yet, and another program that asks is not given it.
        for port in ports:
            with socket.socket() as listener:
                listener.bind(("127.0.0.1", port))
            with socket.socket(socket.AF_UNIX) as mark, self.assertRaises(OSError):
                mark.bind("\0hotline-test-port-%d" % port)


class SamplerTest(unittest.TestCase):

    def sampled(self, metrics, passes):
        """A sampler of two sites that has asked `passes` times."""
        soak = load_soak()
        sites = [types.SimpleNamespace(hotline=hotline, metrics=metrics) for hotline in ("12345", "110")]
        sampler = soak.Sampler.__new__(soak.Sampler)
        left = iter([False] * passes + [True])
        sampler.sites = sites
        sampler.samples = {(site.hotline, service): [] for site in sites for service in SERVICES}
        sampler.ended = types.SimpleNamespace(is_set=lambda: next(left), wait=lambda _: None, set=lambda: None)
        sampler.thread = soak.Beside(sampler.run)
        sampler.thread.start()
        return sampler

    def test_enough_samples_of_all_six_are_a_success(self):
        sampler = self.sampled(lambda _: "process_open_fds 7\n", 10)
        sampler.finish(60)
        self.assertEqual({key: len(samples) for key, samples in sampler.samples.items()},
                         {(hotline, service): 10 for hotline in ("12345", "110") for service in SERVICES})

    def test_too_few_samples_are_a_failure(self):
        with self.assertRaisesRegex(SystemExit, "only 9 samples of work_order of 12345"):
            self.sampled(lambda _: "", 9).finish(60)

    def test_a_page_that_does_not_come_is_a_failure(self):
        def slow(service):
            if service == "escalation":
                raise TimeoutError("timed out")
            return ""
        with self.assertRaises(TimeoutError):
            self.sampled(slow, 10).finish(5)


class TrafficTest(unittest.TestCase):

    def test_only_what_came_to_its_end_counts(self):
        ended = types.SimpleNamespace(join=lambda _: None, is_alive=lambda: False)
        alive = types.SimpleNamespace(join=lambda _: None, is_alive=lambda: True)
        traffic = Traffic.__new__(Traffic)
        traffic.journeys = [(types.SimpleNamespace(done=True, error=""), ended), (types.SimpleNamespace(done=True, error="no"), ended),
                            (types.SimpleNamespace(done=False, error=""), ended), (types.SimpleNamespace(done=False, error=""), alive)]
        self.assertEqual(traffic.finish(0), 1)


class ToolTest(unittest.TestCase):

    def test_a_tool_is_looked_for_when_the_test_runs(self):
        with_tool = os.path.join(ROOT, "tests", "support", "with_tool")
        for arguments, status in ((["true"], 0), (["false"], 1), (["sh", "-c", "exit $0", "3"], 3), (["hotline-no-such-tool", "x"], 77)):
            self.assertEqual(subprocess.run([with_tool, *arguments], capture_output=True).returncode, status, arguments)


if __name__ == "__main__":
    unittest.main()
