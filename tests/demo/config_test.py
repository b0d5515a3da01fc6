"""The committed site configurations are accepted by the programs' own --check.

    config_test.py BUILD_DIR
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = ""


class ConfigTest(unittest.TestCase):

    def check(self, service, config):
        return subprocess.run([os.path.join(BUILD, "services", service, service), "--config", config, "--check"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", timeout=60)

    def test_committed_sites_pass(self):
        for hotline in ("12345", "110"):
            for service in ("work_order", "dispatch", "escalation"):
                with self.subTest(service + " " + hotline):
                    result = self.check(service, os.path.join(ROOT, "deploy", "sites", hotline + ".yaml"))
                    self.assertEqual(result.returncode, 0, result.stdout)

    def test_the_package_configuration_passes(self):
        with tempfile.TemporaryDirectory() as folder:
            # As the package lays it out under /etc.
            for part in ("units", "policy", "calendars", "catalogue"):
                shutil.copytree(os.path.join(ROOT, "deploy", part), os.path.join(folder, part))
            config = shutil.copy(os.path.join(ROOT, "deploy", "deb", "site.yaml"), folder)
            for service in ("work_order", "dispatch", "escalation"):
                with self.subTest(service):
                    result = self.check(service, config)
                    self.assertEqual(result.returncode, 0, result.stdout)

    def test_the_check_writes_nothing(self):
        before = set(os.listdir(os.path.join(ROOT, "deploy", "sites")))
        self.check("work_order", os.path.join(ROOT, "deploy", "sites", "12345.yaml"))
        self.assertEqual(before, set(os.listdir(os.path.join(ROOT, "deploy", "sites"))))


if __name__ == "__main__":
    BUILD = os.path.abspath(sys.argv.pop(1))
    unittest.main()
