import java.io.File;
import java.io.FileOutputStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.yarn.conf.YarnConfiguration;
import org.apache.hadoop.yarn.server.MiniYARNCluster;

/** A resource manager and node managers: MiniYarn FOLDER NODES writes what finds them into FOLDER/conf. */
class MiniYarn {
    public static void main(String[] arguments) throws Exception {
        File folder = new File(arguments[0]);
        YarnConfiguration wanted = new YarnConfiguration();
        wanted.set("fs.defaultFS", "file:///");
        wanted.set("hadoop.tmp.dir", new File(folder, "tmp").getPath());
        wanted.set("yarn.scheduler.capacity.root.queues", "default");
        wanted.set("yarn.scheduler.capacity.root.default.capacity", "100");
        wanted.set("yarn.scheduler.capacity.maximum-am-resource-percent", "1");
        wanted.set("yarn.resourcemanager.hostname", "127.0.0.1");
        wanted.setInt("yarn.scheduler.minimum-allocation-mb", 128);
        wanted.setInt("yarn.nodemanager.resource.memory-mb", 4096);
        wanted.setBoolean("yarn.nodemanager.vmem-check-enabled", false);
        wanted.setBoolean("yarn.nodemanager.disk-health-checker.enable", false);
        MiniYARNCluster cluster = new MiniYARNCluster("yarn", Integer.parseInt(arguments[1]), 1, 1);
        cluster.init(wanted);
        cluster.start();
        if (!cluster.waitForNodeManagersToConnect(60000)) System.exit(1);
        File made = new File(folder, "conf.new");
        made.mkdir();
        for (String name : new String[] {"core-site.xml", "yarn-site.xml"})
            try (FileOutputStream out = new FileOutputStream(new File(made, name))) {
                new Configuration(cluster.getConfig()).writeXml(out);
            }
        made.renameTo(new File(folder, "conf"));
        Thread.currentThread().join();
    }
}
